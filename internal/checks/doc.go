// Package checks says what is wrong with a batch before it is sent.
//
// A batch is a document with its attachments. Each rule may be off, warn, or refuse; what
// a rule complains of is a Finding, with the file, the place in it, the fact, and what to
// do. All findings of a batch come at once, up to a number, refusals first:
//
//	types            what attachments are, by content and by extension
//	attachment_size  bytes of each attachment
//	total_size       bytes of all files
//	names            characters and length of file names
//	unique_names     names that are the same one elsewhere
//	one_document     attachments that are documents themselves
//	well_formed_xml  XML, to its end
//	envelopes        interchanges of EDIFACT and X12, to their end
//
// Every file is read once at most, in constant memory, and only if a rule asks for what is
// in it. An error is one of reading, or of the context, and never a finding: whoever gets
// one asks again. The same files and rules give the same findings; package outbox relies on
// that when it checks a batch again after a crash.
package checks
