package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// One PKCS#12 file is as good as certificate and key, and is warned of like them.
func TestStationFromPKCS12(t *testing.T) {
	workplace(t)
	c, err := load(t, "stations:\n  us: {as2_id: US, keys: [{pkcs12: keys/old.p12, password_file: keys/secret}]}\n")
	if err != nil {
		t.Fatal(err)
	}
	if k := c.Stations[0].SignWith(now); k.Key == nil || k.Certificate.Subject.CommonName != "old" {
		t.Errorf("%+v", k)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Fact, "expired") || c.Warnings[0].Path != "stations.us.keys[0].pkcs12" {
		t.Errorf("%v", c.Warnings)
	}
	if runtime.GOOS == "windows" {
		return // access lists are not read
	}
	if err := os.Chmod(filepath.Join("keys", "us.p12"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := warnings(t, "stations:\n  us: {as2_id: US, keys: [{pkcs12: keys/us.p12, password_file: keys/secret}]}\n", now)
	if got != "config.yaml:2: stations.us.keys[0].pkcs12: keys/us.p12 can be read by every user of this machine (chmod o= FILE)" {
		t.Error(got)
	}
}
