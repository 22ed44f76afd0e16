// Package judges asks programs by other people what they think of ours.
//
// A client and a server by the same hand share their misunderstandings, so nothing on
// the wire counts as tested by our own two ends alone. Here java.util.zip.ZipInputStream
// streams the zips of package bundle, and pyas2-lib takes a signed and encrypted batch
// from the real program and sends one to it, each with its receipt; pydifact and pyx12 say
// which interchanges are complete; what Pillow, openpyxl and others write is what its name
// says. The judges of package cms (openssl) lie beside that package.
//
// The package is nothing but tests, in files with the build tag judges, because they need
// Java, Python and packages from the network. Run them with make judges, which brings the
// tools together. A tool that is not there fails its test; none is skipped.
package judges
