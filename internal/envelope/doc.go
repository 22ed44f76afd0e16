// Package envelope says whether the interchanges in a file are complete: EDIFACT from
// UNB to UNZ, X12 from ISA to IEA, with every group and message in them.
//
//	UNA:+.? '                    separators, for what follows
//	UNB+UNOC:3+A+B+261123:0600+14'
//	UNH+1+ORDERS:D:96A:UN'
//	BGM+220+4711+9'
//	UNT+3+1'                     3 segments, of message 1
//	UNZ+1+14'                    1 message, of interchange 14
//
// A file may hold several interchanges, with CR, LF or blanks between their segments.
// Check reads it once, from front to back, in constant memory whatever its size, and
// names for each fault the segment, its number in the file and the byte it begins at.
// What stands inside of a message is not looked at: not its segments, not its codes, and
// not its character set, but for ISO 2022 (UNOX), whose letters may look like separators.
//
// EDIFACT is read in the syntax versions 1 to 4 (ISO 9735-1, 7 and annex B), batch only,
// with packages (ISO 9735-8); X12 by X12.5 and X12.6, with the binary segments BIN and
// BDS. Package checks relies on that a fault is never reported of a complete interchange.
package envelope
