// Package naming decides from file names which files travel together, and makes foreign
// names safe.
//
// A document such as INV-1001.xml and attachments such as INV-1001_scan.pdf make one
// batch; the part before the underscore is the key. Group takes a listing of an
// outbox and returns the complete batches, and for every other file what it waits
// for. The package touches neither disk nor clock: how long a file has stood still,
// what is open for writing, what a document says of its attachments and which keys were
// sent lately are told to it.
// The same listing gives the same batches in the same order, and package outbox
// relies on that when it repeats the question after a crash. Parts cuts a large listing where
// that makes no difference.
//
// # Patterns
//
// A pattern is a file name with places in braces:
//
//	{key}         one or more characters: what document and attachments share
//	{name}        one or more characters
//	{ext}         an extension: one or more characters without a dot
//	{ext:xml|edi} one of these extensions, in upper or lower case
//	{part}        digits: the number of this file, counted from 1
//	{parts}       digits: how many files the batch has
//
// Everything else stands for itself. Each pattern has exactly one {key}. Where
// patterns do not reach, one regular expression (RE2, matched against the whole
// name) with the named groups key, part and parts takes their place.
//
// Where a name can be cut in several places, the longest key that names a document
// wins: INV-10_a.pdf belongs to INV-10.xml and never to INV-1.xml. Names are compared
// in Unicode NFC, and case-sensitively unless FoldCase says otherwise. When two
// documents could claim one attachment nobody gets it and Group says so; no rule
// wins silently.
//
// # When a batch is complete
//
// Quiet: when no member has changed for a while. Marker: when a marker file with the
// key is there; whoever writes the marker promises that the members are finished.
// Count: when all parts that the names announce are there and quiet. References: when all
// attachments that the document names are there and quiet. A file that a document names
// belongs to it whatever it is called itself; what pairs with the document by its name and
// is there by then travels too.
package naming
