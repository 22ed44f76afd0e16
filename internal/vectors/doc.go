// Package vectors reads what live peers have sent: testdata/vectors/openas2-* and
// pyas2-*, captured by make interop-capture.
//
// Each vector has the header fields and the body as they came, and in expect.json what
// the case was: the layers and the file that the peer was given to send, the MIC that
// both sides agreed on, the disposition that a message must get or a receipt states. Our
// own reading had no part in that. Messages are to us and from partner, receipts from
// partner, by the keys of testdata/keys.
//
// The package is nothing but tests: messages through the HTTP handler, the opener and
// the inspection, receipts through their parser.
package vectors
