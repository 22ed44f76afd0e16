// Package cms reads and writes the Cryptographic Message Syntax (RFC 5652) and its
// CompressedData (RFC 3274) as streams, in constant memory at any size.
//
// Encrypt, Compress and Signer write; Decrypt, Decompress, ParseSignature and
// OpenSigned read. A writer emits indefinite lengths where it cannot know the length
// beforehand; a reader takes BER in every form that real products send: indefinite
// lengths, constructed strings, bytes behind the end. Time is an argument, the
// package opens no files and trusts no certificate that it was not given.
//
//	w, err := cms.Encrypt(out, cms.EncryptOptions{
//		Cipher:     cms.AES256GCM,
//		Recipients: []cms.Recipient{{Certificate: partner, Transport: cms.OAEPSHA256}},
//		Rand:       rand.Reader,
//	})
//	// write the content to w, then close it
//
//	d, err := cms.Decrypt(in, cms.DecryptOptions{Identities: ours})
//	// read the content from d up to io.EOF, keep it until its signature is verified
//
// Encryption: AES with 128, 192 and 256 bits in CBC (EnvelopedData), GCM and CCM
// (AuthEnvelopedData, RFC 5083 and 5084), and for old partners 3DES, CAST5, IDEA and RC2
// in CBC; keys wrapped with RSA PKCS#1 v1.5 or OAEP, for recipients by issuer and serial
// number or by key identifier. Which ciphers may be written is for the caller to decide;
// which are read is in DecryptOptions, without the old ones unless it says so. CCM states
// the length of the content in front of it, so it alone needs a Spool of the caller's.
//
// Signatures are RSA PKCS#1 v1.5, RSASSA-PSS (RFC 4056) and ECDSA (RFC 5753) with SHA-1
// for old partners, SHA-224, 256, 384 and 512; with signed attributes, protected by
// RFC 6211, and without; detached, or around the content as a stream. A signature
// counts by a pinned certificate, or by one that a trusted authority vouches for at a
// given moment under a given subject. Compression is zlib.
//
// Everything that arrives from outside goes through one pull reader (ber.go) that
// never recurses, allocates next to nothing by a stated length, and refuses depth and
// size over its Limits. Whatever is wrong with an encrypted message behind its header is
// ErrDecrypt, after the same number of operations with private keys and ciphers. Decrypted
// bytes are handed out before padding and tag have been seen, and with CBC are not
// authentic until a signature over them has been verified: a caller keeps them to itself
// until then.
package cms
