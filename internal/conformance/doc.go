// Package conformance holds as2/CONFORMANCE.md against the specifications and against
// our own tests.
//
// A requirement is a sentence of a specification with MUST, SHALL, REQUIRED (or SHOULD,
// RECOMMENDED) in it. Its identifier is the document, the section and the beginning of
// the sentence's SHA-256, so that the list can be compared with the text without
// holding the text. The plain tests prove that every test which the list names exists
// and that the list is well formed. With the build tag spec, which make conformance
// sets, the specifications themselves are read and every MUST of theirs must be on the
// list, and nothing else. The folder with them is $AS2DROP_SPEC, or ../shared/spec
// beside the checkout; without it that test fails.
//
// The package is nothing but tests.
package conformance
