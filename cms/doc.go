// Package cms reads and writes the Cryptographic Message Syntax (RFC 5652) and its
// CompressedData (RFC 3274) as streams, in constant memory at any size.
//
// Encrypt, Compress and Signer write; Decrypt, Decompress, ParseSignature and
// OpenSigned read. A writer emits indefinite lengths where it cannot know the length
// beforehand; a reader takes BER in every form that real products send: indefinite
// lengths, constructed strings, bytes behind the end. Time is an argument, the
// package opens no files and trusts no certificate that it was not given.
//
// What it writes now: EnvelopedData with AES-CBC and RSA PKCS#1 v1.5 key transport,
// detached SignedData with RSA PKCS#1 v1.5, CompressedData with zlib. The tables in
// algorithms.go are where further ciphers, digests and signatures belong.
//
// Everything that arrives from outside goes through one pull reader (ber.go) that
// never recurses, allocates nothing by a stated length, and refuses depth and size
// over its Limits. Decrypted bytes are not authentic until a signature over them has
// been verified: a caller keeps them to itself until then.
package cms
