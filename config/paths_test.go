package config

import (
	"runtime"
	"strings"
	"testing"
)

func TestPathMistakes(t *testing.T) {
	long := strings.Repeat("x", 256)
	cases := []struct {
		goos, path, fact, hint string // fact and hint: a part of what is said; "" = nothing may be said
	}{
		{"windows", `C:\as2drop\keys\us.pem`, "", ""},
		{"windows", "c:/as2drop/keys/us.pem", "", ""},
		{"windows", "keys/us.pem", "", ""},
		{"windows", `..\keys\us.pem`, "", ""},
		{"windows", `\\server\share\edi\acme`, "", ""},
		{"windows", "//server/share", "", ""},
		{"windows", `\\?\D:\very\long`, "", ""},
		{"windows", `C:edi\acme`, "relative to whatever folder", "C:/edi/acme"},
		{"windows", "D:", "relative to whatever folder", "D:/"},
		{"windows", `\edi\acme`, "names no drive", "C:/edi/acme"},
		{"windows", "/var/lib/as2drop", "names no drive", "C:/var/lib/as2drop"},
		{"windows", `\\server`, "names no share", "//server/share"},
		{"windows", `\\server\`, "names no share", "//server/share"},
		{"windows", `C:\edi\nul`, "device", "another name"},
		{"windows", "edi/COM1.partner/x", "device", "another name"},
		{"windows", "edi/LPT¹", "device", "another name"},
		{"windows", `C:\edi\acme.\in`, "dot or a blank", "another name"},
		{"windows", "edi/acme ", "dot or a blank", "another name"},
		{"windows", "edi/a?b", "character", "another name"},
		{"windows", `C:\edi\x:stream`, "character", "another name"},
		{"windows", "edi/" + long, "longer than 255", "another name"},
		{"windows", "edi/" + long[:255], "", ""},
		{"windows", "C:\new", "control character", "C:/as2drop"},
		{"linux", "C:\temp", "control character", "single quotes"},
		{"linux", "/var/lib/as2drop", "", ""},
		{"linux", "keys/nul", "", ""},
		{"linux", `C:\edi\acme`, "path of Windows", "this system"},
		{"linux", "d:/edi", "path of Windows", "this system"},
		{"linux", `\\server\share`, "path of Windows", "this system"},
		{"linux", "x:y", "", ""},
	}
	for _, c := range cases {
		fact, hint := pathMistake(c.goos, c.path)
		if (c.fact == "") != (fact == "") || !strings.Contains(fact, c.fact) || !strings.Contains(hint, c.hint) {
			t.Errorf("%s, %q: %q (%s)", c.goos, c.path, fact, hint)
		}
	}
}

// Every key that names a file refuses a path that cannot be meant, once and with its line.
func TestPathMistakesHaveTheirLine(t *testing.T) {
	workplace(t)
	for _, c := range []struct{ text, want string }{
		{"data_dir: \"C:\\new\"\n", "config.yaml:1: data_dir: \"C:\\new\" has a control character"},
		{"data_dir: \"D:\\data\"\n", "config.yaml:1: this is no YAML"},
		{"data_dir: \"C:\\Users\\x\"\n", "single quotes"},
		{"data_dir: x\npartners:\n  a:\n    folder: \"E:\\temp\"\n    certificates: [\"x\\ty\"]\n", "config.yaml:4: partners.a.folder: "},
		{"data_dir: x\npartners:\n  a:\n    certificates: [\"x\\ty\"]\n", "config.yaml:4: partners.a.certificates[0]: "},
		{"data_dir: x\npartners:\n  a:\n    certificates: [{file: \"x\\ty\"}]\n", "config.yaml:4: partners.a.certificates[0].file: "},
		{"data_dir: x\npartners:\n  a:\n    server_certificates: \"x\\ty\"\n", "config.yaml:4: partners.a.server_certificates"},
	} {
		_, err := load(t, c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "C:/as2drop") {
			t.Errorf("%s: %v", c.text, err)
		} else if strings.Contains(err.Error(), "does not exist") {
			t.Errorf("the file is looked for all the same: %v", err)
		}
	}
	if runtime.GOOS != "windows" {
		return
	}
	_, err := load(t, "data_dir: C:var\n")
	if err == nil || !strings.Contains(err.Error(), "config.yaml:1: data_dir: \"C:var\" is relative to") {
		t.Errorf("a relative path with a drive: %v", err)
	}
}

// Windows takes names that differ in case for one folder: two partners must not share it.
func TestFoldersThatDifferInCase(t *testing.T) {
	if folderKey("data/partners/ACME", true) != folderKey("data/partners/./acme", true) || folderKey("ACME", false) == folderKey("acme", false) {
		t.Error("what is one folder is not known")
	}
	workplace(t)
	of := func(name, folder string) error {
		_, err := load(t, `stations:
  us: {as2_id: US, keys: [{certificate: keys/us.pem, key: keys/us.key}]}
partners:
  acme: {as2_id: A, station: us, certificates: keys/other.pem, folder: shared}
  `+name+`: {as2_id: B, station: us, certificates: keys/other.pem, folder: `+folder+`}
`)
		return err
	}
	windows, err := runtime.GOOS == "windows", of("beta", "SHARED")
	if clash := err != nil && strings.Contains(err.Error(), "SHARED is the folder of partners.acme on line 4 already"); clash != windows || err != nil != windows {
		t.Errorf("on Windows: %v, got %v", windows, err)
	}
	// The default folder is named after the partner.
	if err := of("ACME", "other"); err == nil || !strings.Contains(err.Error(), "upper and lower case do not tell names apart") {
		t.Errorf("partners acme and ACME: %v", err)
	}
}
