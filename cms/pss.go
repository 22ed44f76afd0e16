package cms

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
)

// pssParameters are RSASSA-PSS-params (RFC 4055, 3.1).
type pssParameters struct {
	hash, mgf Digest
	salt      int // bytes
}

// maxSalt is more than any key has room for, in bytes.
const maxSalt = 1 << 12

// encodedPSS is how they travel; what equals the default is absent.
type encodedPSS struct {
	Hash    pkix.AlgorithmIdentifier `asn1:"explicit,tag:0,optional"`
	MGF     pkix.AlgorithmIdentifier `asn1:"explicit,tag:1,optional"`
	Salt    int                      `asn1:"explicit,tag:2,optional,default:20"`
	Trailer int                      `asn1:"explicit,tag:3,optional,default:1"`
}

func pssAlgorithm(p pssParameters) (pkix.AlgorithmIdentifier, error) {
	e := encodedPSS{Salt: p.salt, Trailer: 1}
	if p.hash != SHA1 {
		// RFC 4055, 2.1: in these parameters the digests are named with NULL.
		e.Hash = pkix.AlgorithmIdentifier{Algorithm: digests[p.hash].oid, Parameters: asn1.NullRawValue}
	}
	if p.mgf != SHA1 {
		of, err := asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: digests[p.mgf].oid, Parameters: asn1.NullRawValue})
		if err != nil {
			return pkix.AlgorithmIdentifier{}, err
		}
		e.MGF = pkix.AlgorithmIdentifier{Algorithm: oidMGF1, Parameters: asn1.RawValue{FullBytes: of}}
	}
	params, err := asn1.Marshal(e)
	return pkix.AlgorithmIdentifier{Algorithm: oidRSAPSS, Parameters: asn1.RawValue{FullBytes: params}}, err
}

func readPSS(alg pkix.AlgorithmIdentifier) (pssParameters, error) {
	var e encodedPSS
	if err := unmarshal(alg.Parameters.FullBytes, &e, "RSASSA-PSS parameters"); err != nil {
		return pssParameters{}, err
	}
	p := pssParameters{hash: SHA1, mgf: SHA1, salt: e.Salt}
	known := true
	if len(e.Hash.Algorithm) > 0 {
		p.hash, known = digestByOID(e.Hash.Algorithm)
	}
	if len(e.MGF.Algorithm) > 0 {
		var of pkix.AlgorithmIdentifier
		if _, err := asn1.Unmarshal(e.MGF.Parameters.FullBytes, &of); err != nil {
			return pssParameters{}, syntaxError("mask generation function of RSASSA-PSS: %v", err)
		}
		var ok bool
		p.mgf, ok = digestByOID(of.Algorithm)
		known = known && ok && e.MGF.Algorithm.Equal(oidMGF1)
	}
	if !known || e.Trailer != 1 || e.Salt < 0 || e.Salt > maxSalt {
		return pssParameters{}, fmt.Errorf("%w: RSASSA-PSS with parameters %x", ErrAlgorithm, alg.Parameters.FullBytes)
	}
	return p, nil
}

// checkPSS verifies by the parameters that the signature comes with.
func checkPSS(pub *rsa.PublicKey, alg pkix.AlgorithmIdentifier, d Digest, digest, signature []byte) error {
	if len(alg.Parameters.FullBytes) == 0 {
		// RFC 4055, 3.1: in a signature the parameters must be there. pyas2-lib leaves them
		// out; the digest is stated beside them, so nothing is open but the salt.
		if err := rsa.VerifyPSS(pub, d.Hash(), digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}); err != nil {
			return fmt.Errorf("%w: %v", ErrBadSignature, err)
		}
		return nil
	}
	p, err := readPSS(alg)
	if err != nil {
		return err
	}
	if p.hash != d {
		// RFC 4056, 3: one digest for the content and for the signature.
		return fmt.Errorf("%w: RSASSA-PSS with %v beside digest %v", ErrAlgorithm, p.hash, d)
	}
	if p.mgf == p.hash && p.salt > 0 {
		err = rsa.VerifyPSS(pub, d.Hash(), digest, signature, &rsa.PSSOptions{SaltLength: p.salt})
	} else {
		// crypto/rsa knows neither a mask of another digest nor "no salt".
		err = verifyPSS(pub, p, digest, signature)
	}
	if err != nil {
		return fmt.Errorf("%w: %v", ErrBadSignature, err)
	}
	return nil
}

var errPSS = errors.New("rsa-pss: verification error")

// verifyPSS is RSASSA-PSS-VERIFY (RFC 8017, 8.1.2 and 9.1.2). Nothing in it is secret.
func verifyPSS(pub *rsa.PublicKey, p pssParameters, digest, signature []byte) error {
	s := new(big.Int).SetBytes(signature)
	if pub.N.BitLen() < 1024 || pub.E < 3 || pub.E&1 == 0 || len(signature) != pub.Size() || s.Cmp(pub.N) >= 0 {
		return errPSS
	}
	bits := pub.N.BitLen() - 1
	m := s.Exp(s, big.NewInt(int64(pub.E)), pub.N)
	if m.BitLen() > bits {
		return errPSS
	}
	em := m.FillBytes(make([]byte, (bits+7)/8))
	size := p.hash.Hash().Size()
	dbLen := len(em) - size - 1
	if dbLen < p.salt+1 || em[len(em)-1] != 0xbc {
		return errPSS
	}
	db, h := em[:dbLen], em[dbLen:len(em)-1]
	for i, b := range mgf1(p.mgf, h, dbLen) {
		db[i] ^= b
	}
	db[0] &= 0xff >> (8*len(em) - bits)
	start := bytes.TrimLeft(db[:dbLen-p.salt], "\x00")
	if len(start) != 1 || start[0] != 1 {
		return errPSS
	}
	again := p.hash.New()
	again.Write(make([]byte, 8))
	again.Write(digest)
	again.Write(db[dbLen-p.salt:])
	if !bytes.Equal(again.Sum(nil), h) {
		return errPSS
	}
	return nil
}

// mgf1 is the mask generation function of RFC 8017, B.2.1.
func mgf1(d Digest, seed []byte, n int) []byte {
	var mask []byte
	for i := uint32(0); len(mask) < n; i++ {
		h := d.New()
		h.Write(seed)
		h.Write(binary.BigEndian.AppendUint32(nil, i))
		mask = h.Sum(mask)
	}
	return mask[:n]
}
