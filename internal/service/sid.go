package service

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// SID is the identifier of a service in access lists. Windows makes it of the name alone,
// so rights can be given before the service exists: every service has one, whatever account
// it runs as.
func SID(name string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(strings.ToUpper(name))) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	sum := sha1.Sum(b) // as Windows does it; nothing is protected by it
	sid := "S-1-5-80"
	for i := 0; i < len(sum); i += 4 {
		sid += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(sum[i:]))
	}
	return sid
}
