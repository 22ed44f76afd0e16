// Package config reads config.yaml: strictly, and all mistakes at once.
//
// Every key stands in one table (keys.go), which drives the decoder and the reference
// in docs/config.md. Load reports unknown keys with the nearest known one, wrong
// types, values out of range, files that are missing, AS2 IDs that clash: each with
// its line, the fact and, where one helps, a hint. A Config that Load returned is
// complete: certificates and keys are read, names and schedules compiled.
//
// There are no secrets in the file itself, so that its text can be kept in the ledger
// beside what was done with it. What needs the disk of the partners' folders (is it
// one volume, is it mounted) is checked by package agent, which reports through the
// same Error.
package config
