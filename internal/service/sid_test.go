package service

import "testing"

// The SIDs are those that every Windows shows for services of its own.
func TestSID(t *testing.T) {
	for name, want := range map[string]string{
		"TrustedInstaller": "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
		"trustedinstaller": "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
	} {
		if got := SID(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
