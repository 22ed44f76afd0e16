// Package browsertest looks at the console as people do: with Chromium, at a real agent whose
// partners are real servers, of which some fail.
//
//	make browser                                              # needs chromium
//	go test -tags browser ./internal/browsertest -update      # also writes docs/screenshots
//
// Everything that the browser asks for, and everything that it complains of, is on record: one
// request to another host, or one violation of the policy of the pages, fails the test. The
// program never imports this package.
package browsertest
