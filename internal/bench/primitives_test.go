//go:build linux

package bench

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
)

// primitive prepares an operation on so many bytes, and returns it ready to be repeated.
// sample is what is to be compressed.
type primitive func(t testing.TB, n int64, sample []byte) func() error

// primitives are what operations.txt may name.
var primitives = map[string]primitive{
	"deflate": deflated,
	"inflate": inflated,
	"crc-32": func(t testing.TB, n int64, _ []byte) func() error {
		return over(n, func(b []byte) { crc32.ChecksumIEEE(b) })
	},
	"sha-256":     hashed,
	"cbc-encrypt": func(t testing.TB, n int64, _ []byte) func() error { return blocks(t, n, cipher.NewCBCEncrypter) },
	"cbc-decrypt": func(t testing.TB, n int64, _ []byte) func() error { return blocks(t, n, cipher.NewCBCDecrypter) },
	"gcm-encrypt": func(t testing.TB, n int64, _ []byte) func() error { return records(t, n, 32, 64<<10, false) },
	"gcm-decrypt": func(t testing.TB, n int64, _ []byte) func() error { return records(t, n, 32, 64<<10, true) },
	"tls":         func(t testing.TB, n int64, _ []byte) func() error { return records(t, n, 16, 16<<10, false) },
	"write":       written,
	"rewrite":     rewritten,
	"name":        named,
	"append":      appended,
	"rsa-sign":    func(t testing.TB, _ int64, _ []byte) func() error { return rsaOf(t).sign },
	"rsa-verify":  func(t testing.TB, _ int64, _ []byte) func() error { return rsaOf(t).verify },
	"rsa-encrypt": func(t testing.TB, _ int64, _ []byte) func() error { return rsaOf(t).encrypt },
	"rsa-decrypt": func(t testing.TB, _ int64, _ []byte) func() error { return rsaOf(t).decrypt },
}

// waiting says which of them wait for the disk, which many can do at once.
func waiting(operation string) bool {
	switch operation {
	case "write", "rewrite", "name", "append":
		return true
	}
	return false
}

// cryptographic says which of them are: the others compress, check and write.
func cryptographic(operation string) bool {
	switch operation {
	case "deflate", "inflate", "crc-32", "write", "rewrite", "name", "append":
		return false
	}
	return true
}

// piece is how many bytes the primitives get at once.
const piece = 64 << 10

// over has f go over n bytes of memory, piece by piece.
func over(n int64, f func([]byte)) func() error {
	buf := make([]byte, min(n, piece))
	return func() error {
		for left := n; left > 0; left -= int64(len(buf)) {
			f(buf[:min(left, int64(len(buf)))])
		}
		return nil
	}
}

func hashed(_ testing.TB, n int64, _ []byte) func() error {
	h := sha256.New()
	var sum []byte
	all := over(n, func(b []byte) { h.Write(b) })
	return func() error {
		h.Reset()
		if err := all(); err != nil {
			return err
		}
		sum = h.Sum(sum[:0])
		return nil
	}
}

func blocks(t testing.TB, n int64, mode func(cipher.Block, []byte) cipher.BlockMode) func() error {
	block, err := aes.NewCipher(make([]byte, 32))
	must(t, err)
	m := mode(block, make([]byte, aes.BlockSize))
	return over((n+aes.BlockSize-1)/aes.BlockSize*aes.BlockSize, func(b []byte) { m.CryptBlocks(b, b) })
}

// records are n bytes in AES-GCM with a key of so many bytes, in records of so many.
func records(t testing.TB, n int64, key, size int, open bool) func() error {
	block, err := aes.NewCipher(make([]byte, key))
	must(t, err)
	gcm, err := cipher.NewGCM(block)
	must(t, err)
	nonce, plain, out := make([]byte, gcm.NonceSize()), make([]byte, min(n, int64(size))), make([]byte, 0, size+gcm.Overhead())
	sealed := gcm.Seal(nil, nonce, plain, nil)
	return func() error {
		for left := n; left > 0; left -= int64(len(plain)) {
			if !open {
				gcm.Seal(out, nonce, plain[:min(left, int64(len(plain)))], nil)
			} else if _, err := gcm.Open(out, nonce, sealed, nil); err != nil {
				return err
			}
		}
		return nil
	}
}

// deflateLevel is that of package bundle.
const deflateLevel = 7

func deflated(t testing.TB, n int64, sample []byte) func() error {
	w, err := flate.NewWriter(io.Discard, deflateLevel)
	must(t, err)
	return func() error {
		w.Reset(io.Discard)
		for left := n; left > 0; left -= int64(len(sample)) {
			if _, err := w.Write(sample[:min(left, int64(len(sample)))]); err != nil {
				return err
			}
		}
		return w.Close()
	}
}

func inflated(t testing.TB, n int64, sample []byte) func() error {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, deflateLevel)
	must(t, err)
	for left := n; left > 0; left -= int64(len(sample)) {
		_, err := w.Write(sample[:min(left, int64(len(sample)))])
		must(t, err)
	}
	must(t, w.Close())
	in := bytes.NewReader(packed.Bytes())
	r := flate.NewReader(in)
	buf := make([]byte, piece)
	return func() error {
		in.Reset(packed.Bytes())
		if err := r.(flate.Resetter).Reset(in, nil); err != nil {
			return err
		}
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, buf)
		return err
	}
}

// written is a new file in a folder of its own, written from the beginning to the end and
// synced, with nothing of it left in the memory of the drive.
func written(t testing.TB, n int64, _ []byte) func() error {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	must(t, err)
	buf, number := bytes.Repeat([]byte("a block"), piece/7), 0
	return func() (err error) {
		number++
		name := filepath.Join(dir, fmt.Sprint(number))
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close() // closed below; this is for those who fail
		for left := n; left > 0; left -= int64(len(buf)) {
			if _, err := f.Write(buf[:min(left, int64(len(buf)))]); err != nil {
				return err
			}
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		if n > piece { // small ones are removed with the folder: nobody else would
			return os.Remove(name)
		}
		return nil
	}
}

// rewritten is a file that is there, overwritten from the beginning and synced.
func rewritten(t testing.TB, n int64, _ []byte) func() error {
	f := fileIn(t)
	buf := make([]byte, n)
	return func() error {
		buf[0]++ // or there would be nothing to write
		if _, err := f.WriteAt(buf, 0); err != nil {
			return err
		}
		return f.Sync()
	}
}

// named is a file that gets another name in its folder, and the folder synced.
func named(t testing.TB, _ int64, _ []byte) func() error {
	f := fileIn(t)
	dir, err := os.Open(filepath.Dir(f.Name()))
	must(t, err)
	t.Cleanup(func() { must(t, dir.Close()) })
	one, other := f.Name(), f.Name()+"-renamed"
	return func() error {
		if err := os.Rename(one, other); err != nil {
			return err
		}
		one, other = other, one
		return dir.Sync()
	}
}

// appended is n bytes more in a file that grows, and its data synced, as a ledger does it.
func appended(t testing.TB, n int64, _ []byte) func() error {
	f := fileIn(t)
	buf := bytes.Repeat([]byte("a"), int(n))
	return func() error {
		if _, err := f.Write(buf); err != nil {
			return err
		}
		return syscall.Fdatasync(int(f.Fd()))
	}
}

// fileIn is a new file in a folder of its own.
func fileIn(t testing.TB) *os.File {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	must(t, err)
	f, err := os.Create(filepath.Join(dir, "file"))
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	return f
}

// rsaOperations are those with one key, each on something prepared.
type rsaOperations struct{ sign, verify, encrypt, decrypt func() error }

func rsaOf(t testing.TB) (o rsaOperations) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, *bits)
	must(t, err)
	digest := sha256.Sum256([]byte("a message"))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	must(t, err)
	session := make([]byte, 32)
	//lint:ignore SA1019 what every AS2 product understands
	wrapped, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, session)
	must(t, err)
	o.sign = func() error { _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); return err }
	o.verify = func() error { return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature) }
	//lint:ignore SA1019 as above
	o.encrypt = func() error { _, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, session); return err }
	//lint:ignore SA1019 as above
	o.decrypt = func() error { return rsa.DecryptPKCS1v15SessionKey(nil, key, wrapped, make([]byte, 32)) }
	return o
}

// underWay is how many small documents there are at once, at both ends.
const underWay = 16

// alone is how much of a core one such operation takes while nothing else is done: the best of
// some tries, each of about a tenth of a second. Small ones are done on both cores at once, and
// those that wait for the disk by as many as there are documents under way; of large messages
// there is one.
func alone(t testing.TB, name string, n int64, sample []byte) time.Duration {
	t.Helper()
	const tries, each = 5, 100 * time.Millisecond
	used, at := cores, cores // so many at once on so many cores
	if n >= 1<<20 {
		used, at = 1, 1
	} else if waiting(name) {
		at = underWay
	}
	operations := make([]func() error, at)
	for i := range operations {
		operations[i] = primitives[name](t, n, sample)
	}
	best := time.Duration(1<<63 - 1)
	for range tries {
		took, errs := make([]time.Duration, at), make([]error, at)
		var group sync.WaitGroup
		for i, operation := range operations {
			group.Go(func() {
				began, times := time.Now(), 0
				for times == 0 || time.Since(began) < each && errs[i] == nil {
					errs[i] = operation()
					times++
				}
				took[i] = time.Since(began) / time.Duration(times)
			})
		}
		group.Wait()
		for i := range operations {
			must(t, errs[i])
		}
		var sum time.Duration
		for _, d := range took {
			sum += d
		}
		best = min(best, sum/time.Duration(at)*time.Duration(used)/time.Duration(at))
	}
	return best
}
