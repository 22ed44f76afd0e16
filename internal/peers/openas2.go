package peers

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// KeyStorePassword protects nothing: the keys are committed.
const KeyStorePassword = "changeit"

// StartOpenAS2 runs OpenAS2 with the jars of a folder, a config.xml and options of Java.
func StartOpenAS2(t testing.TB, logs Logs, jars, config string, options ...string) *Process {
	t.Helper()
	args := append(options, "-Dorg.apache.commons.logging.Log=org.openas2.logging.Log", "-cp", classPath(t, jars), "org.openas2.app.OpenAS2Server", config)
	return Start(t, logs, "java", args...)
}

// classPath lists the jars with that of OpenAS2 last: it has an index of the others, and
// with the index in front Java 17 finds the mailcap of only one of them.
func classPath(t testing.TB, dir string) string {
	t.Helper()
	jars, err := filepath.Glob(filepath.Join(dir, "*.jar"))
	if err != nil || len(jars) == 0 {
		t.Fatalf("no jars in %s: %v", dir, err)
	}
	slices.SortFunc(jars, func(a, b string) int {
		return cmp.Or(strings.Compare(own(a), own(b)), strings.Compare(a, b))
	})
	return strings.Join(jars, ":")
}

// own sorts the jar of OpenAS2 behind all others.
func own(jar string) string {
	if strings.HasPrefix(filepath.Base(jar), "openas2-") {
		return "last"
	}
	return "first"
}

// WriteKeyStore makes the PKCS#12 file that OpenAS2 wants. Keys are by their aliases, each
// a path without its .pem and .key; certificates are .pem files.
func WriteKeyStore(t testing.TB, file string, keys, certificates map[string]string) {
	t.Helper()
	dir := t.TempDir()
	// The Bouncy Castle of OpenAS2 reads the old algorithms of PKCS#12 only.
	const old = "-J-Dkeystore.pkcs12.legacy"
	for _, alias := range slices.Sorted(maps.Keys(keys)) {
		single := filepath.Join(dir, alias+".p12")
		Run(t, "openssl", "pkcs12", "-export", "-in", keys[alias]+".pem", "-inkey", keys[alias]+".key", "-name", alias, "-passout", "pass:"+KeyStorePassword, "-out", single)
		Run(t, "keytool", old, "-importkeystore", "-noprompt", "-srckeystore", single, "-srcstorepass", KeyStorePassword,
			"-destkeystore", file, "-deststoretype", "PKCS12", "-deststorepass", KeyStorePassword, "-alias", alias)
	}
	for _, alias := range slices.Sorted(maps.Keys(certificates)) {
		Run(t, "keytool", old, "-importcert", "-noprompt", "-keystore", file, "-storetype", "PKCS12", "-storepass", KeyStorePassword, "-alias", alias, "-file", certificates[alias])
	}
}
