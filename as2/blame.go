package as2

import (
	"errors"
	"fmt"
	"io"

	"github.com/as2drop/as2drop/cms"
)

var (
	// errStructure is wrapped by errors that attackers can provoke by changing a
	// ciphertext. Inside of encryption they all get the answer of a failed decryption:
	// which of them it was would tell whether the padding was right.
	errStructure = errors.New("as2: the message has no sensible structure")
	// errFormat is content that is whole and nothing we can read.
	errFormat = errors.New("as2: the format is not supported")
	// errSignature is a signature that cannot be read, in a message that is whole.
	errSignature = errors.New("as2: the signature cannot be read")
	// errTooLong is anything over the limits of OpenOptions.
	errTooLong = errors.New("the message is over the limit")
	// errLessProtected is a message whose layers are not the ones agreed upon.
	errLessProtected = errors.New("as2: less protected than agreed")
	// errWeak is an algorithm that we have and do not accept.
	errWeak = errors.New("as2: an algorithm that is not accepted")
)

func weakCipher(name string) error { return fmt.Errorf("%w: it is encrypted with %s", errWeak, name) }
func weakDigest(name string) error { return fmt.Errorf("%w: it is signed with %s", errWeak, name) }

// authentic is an error about content that a signature or an authenticated cipher
// vouches for. Nobody but the sender can have made it so, and it may be told.
type authentic struct{ error }

func (a authentic) Unwrap() error { return a.error }

// structural reports whether an error is about bytes that make no sense.
func structural(err error) bool {
	for _, kind := range []error{errStructure, errMultipart, errNoHeader, cms.ErrSyntax, cms.ErrDecompress, io.ErrUnexpectedEOF} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// blame turns an error into the fault that is answered.
//
// A changed content answers integrity-check-failed: its sender is known, for he signed
// its digest, and RFC 4130, 7.5.4 has authentication-failed for a sender who is not.
// That is the answer where the signature itself does not verify, cannot be read, or is
// somebody else's. Algorithms that are not accepted and layers that are missing are
// both a matter of the message security agreed upon (rfc4130bis, 8.5.4).
func (p *peeler) blame(err error) error {
	var f *Fault
	var told authentic
	secret := p.opened.Encrypted && !errors.As(err, &told)
	switch {
	case errors.Is(err, cms.ErrDecrypt):
		return fault(DecryptionFailed, "The message could not be decrypted.", err.Error())
	case errors.As(err, &f):
		return f
	case errors.Is(err, errSignature), errors.Is(err, cms.ErrNoSigner), errors.Is(err, cms.ErrUnknownSigner),
		errors.Is(err, cms.ErrBadSignature), errors.Is(err, cms.ErrAlgorithm):
		return fault(AuthenticationFailed, "The signature could not be verified with the certificates agreed upon.", err.Error())
	case errors.Is(err, cms.ErrDigestMismatch):
		return fault(IntegrityCheckFailed, "The content is not what was signed.", err.Error())
	case errors.Is(err, errLessProtected), errors.Is(err, errWeak):
		return fault(InsufficientSecurity, "The message is less protected than was agreed.", err.Error())
	case errors.Is(err, errTooLong):
		return fault(UnexpectedProcessing, "The message is larger than this partner may send.", err.Error())
	case secret && (structural(err) || errors.Is(err, errFormat)):
		return fault(DecryptionFailed, "The message could not be decrypted.", err.Error())
	case errors.Is(err, cms.ErrDecompress):
		return fault(DecompressionFailed, "The message could not be decompressed.", err.Error()) // RFC 5402, 5
	case errors.Is(err, errFormat):
		// RFC 4130, 7.4.4: "failed" is for the request for a receipt and nothing else.
		return fault(UnexpectedProcessing, "The message is in a format that cannot be read here.", err.Error())
	}
	return fault(UnexpectedProcessing, "The message could not be read.", err.Error())
}

// object is what Open says of a message that it understands and refuses. An
// examination writes it down and goes on.
func (p *peeler) object(err error) error {
	if p.exam == nil {
		return err
	}
	p.exam.objection(p.blame(err))
	return nil
}
