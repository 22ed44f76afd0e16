// Package bundle turns a batch into a zip and a foreign zip into files.
//
// Write makes a zip that every reader can stream, in one pass and in constant
// memory. Unpack reads a zip that somebody else made, within limits, and trusts
// nothing in it: entry names never become paths, sizes are counted and not
// believed, links and passwords are refused.
//
// The package opens no files. Write is given functions that open the members,
// Unpack one that creates the targets. Which entry is the document is decided by
// package naming, what happens to a broken zip by package inbox.
package bundle
