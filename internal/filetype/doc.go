// Package filetype says whether a file is what its name says.
//
// A name stands for a type by its extension: INV-1_scan.PDF for pdf, and INV-1_list.xlsx
// for office. A Sniffer is fed the file, once and from front to back, and then tells what
// speaks against that: a program that is called scan.pdf, a picture that is a web page, a
// text with a byte in it that no text has. It keeps the first 4 KiB, and of a zip the last
// 64, whatever the size of the file.
//
// What is looked at is how a file of the type begins, for zips what they hold, and for
// texts every byte. A file that begins well may still be broken further on: this is no
// validation, and no virus scanner. Package checks relies on that a file as programs write
// it is never complained of.
package filetype
