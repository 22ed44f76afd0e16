package inbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/fsx"
)

// stage opens the message. What is in it is held in memory while it is small and goes to
// .incoming/<id>; what came by the request itself is kept as evidence on the way, up to a
// size. It is durable with settle.
func (r *request) stage() (*as2.Opened, error) {
	if r.stored != nil {
		return r.stageStored()
	}
	if err := r.makeStaging(); err != nil {
		return nil, err
	}
	kept := &limitedTee{left: -1}
	if r.m.Length <= r.p.EvidenceUpTo { // or it is not stated
		raw, err := r.create(rawFile)
		if err != nil {
			return nil, err
		}
		kept = &limitedTee{raw, r.p.EvidenceUpTo}
	}
	body := io.TeeReader(r.m.Body, kept)
	opened, err := r.open(body)
	var f *as2.Fault
	if errors.As(err, &f) {
		// The rest of the message belongs to the evidence, and the sender waits for its end.
		if _, cerr := io.Copy(io.Discard, body); cerr != nil {
			err = cerr
		}
	}
	return opened, errors.Join(err, r.endRaw(kept))
}

// endRaw ends the file of the message itself, which is no evidence if it was longer.
func (r *request) endRaw(kept *limitedTee) error {
	if kept.w == nil {
		return nil
	}
	kept.w.unsynced = kept.left < 0
	err := kept.w.Close()
	if kept.left < 0 {
		err = errors.Join(err, r.p.Folder.Remove(path.Join(incoming(r.id), rawFile)))
	}
	return err
}

// stageStored opens a message that was stored before.
func (r *request) stageStored() (*as2.Opened, error) {
	raw, err := r.p.Folder.OpenFile(path.Join(incoming(r.id), rawFile), fsx.ReadOnly, 0)
	if err != nil {
		return nil, err
	}
	defer raw.Close() // opened for reading: nothing can be lost
	info, err := raw.Stat()
	if err != nil {
		return nil, err
	}
	r.tooLong = info.Size() > r.p.EvidenceUpTo
	return r.open(raw)
}

// makeStaging makes the staging folder. It is durable with settle.
func (r *request) makeStaging() error {
	err := r.p.Folder.Mkdir(incoming(r.id), dirPerm)
	if errors.Is(err, fs.ErrNotExist) { // somebody has tidied up
		err = fsx.MkdirAll(r.p.Folder, incoming(r.id), dirPerm)
	}
	return err
}

// header is that of the request, without what the partner logs in with.
func (r *request) header() []byte {
	var b bytes.Buffer
	_ = r.m.Header.WriteSubset(&b, map[string]bool{"Authorization": true, "Proxy-Authorization": true, "Cookie": true}) // a bytes.Buffer takes everything
	return b.Bytes()
}

// keepHeader writes the header to a file of its own, once. It is durable with settle.
func (r *request) keepHeader() error {
	if r.headerKept {
		return nil
	}
	r.headerKept = true
	return r.write(headerFile, r.header())
}

// settle makes the staging folder durable with all that is in it, once: whatever is
// committed afterwards may rest on it.
func (r *request) settle() error {
	if err := r.syncFiles(); err != nil {
		return err
	}
	if err := r.p.Folder.SyncDir(incoming(r.id)); err != nil || r.stored != nil {
		return err // the folder of a stored message was there before
	}
	return r.p.Folder.SyncDir(incomingDir)
}

// mostUnsynced is how many files a message has open to be synced.
const mostUnsynced = 8

// syncFiles syncs what was written, and closes it. That comes late: a file system that has
// made all the files by then does it with less, and one with a journal commits that once.
func (r *request) syncFiles() (err error) {
	for _, f := range r.unsynced {
		err = errors.Join(err, f.Sync(), f.Close())
	}
	r.unsynced = nil
	return err
}

// letGo closes what was not synced and is not needed any more.
func (r *request) letGo() {
	for _, f := range r.unsynced {
		f.Close() // it goes, whatever is in it
	}
	r.unsynced = nil
	r.letGoPayload()
}

// letGoPayload closes what of the payload is open: it is not delivered.
func (r *request) letGoPayload() {
	for _, p := range r.payload {
		p.letGo()
	}
}

// open takes the layers off and writes each part of the payload to a file.
func (r *request) open(body io.Reader) (*as2.Opened, error) {
	spools := 0
	return as2.Open(r.env, body, r.hold, as2.OpenOptions{
		Identities: r.p.Identities, Trust: r.p.Trust, Ciphers: r.p.Ciphers, Digests: r.p.Digests, At: r.at, MaxPayload: r.p.MaxMessage, MaxParts: r.p.Limits.Entries,
		RequireSigned: r.p.RequireSigned, RequireEncrypted: r.p.RequireEncrypted,
		Spool: func() (cms.Spool, error) {
			spools++
			s, err := fsx.NewSpool(r.p.Folder, path.Join(incoming(r.id), fmt.Sprint(spoolName, spools)), filePerm)
			if err != nil {
				return nil, err
			}
			return spool{s, r}, nil
		},
	})
}

// create makes a file in the staging folder. It keeps to the reserve of the volume, and is
// durable with settle.
func (r *request) create(name string) (*stagedFile, error) {
	f, err := r.createUnsynced(name)
	if err != nil {
		return nil, err
	}
	f.File, f.unsynced = fsx.Eager(f.File), false
	return f, nil
}

// createUnsynced is create for a file that is not durable with settle.
func (r *request) createUnsynced(name string) (*stagedFile, error) {
	f, err := r.p.Folder.OpenFile(path.Join(incoming(r.id), name), fsx.CreateNew, filePerm)
	if err != nil {
		return nil, err
	}
	return &stagedFile{File: f, r: r, unsynced: true}, nil
}

// write makes a file in the staging folder that is durable with settle.
func (r *request) write(name string, content []byte) error {
	f, err := r.create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// stagedFile has its message ask now and then whether the volume still has room: the length
// of a message need not be stated, and that of what is in it never is.
type stagedFile struct {
	fsx.File
	r        *request
	unsynced bool
}

// spaceEvery is how many bytes of a message are written between two looks at the free space,
// to however many files.
const spaceEvery = 16 << 20

func (s *stagedFile) Write(b []byte) (int, error) {
	if err := s.r.writing(len(b)); err != nil {
		return 0, err
	}
	return s.File.Write(b)
}

// spool keeps to the reserve of the volume too: what goes through it nobody has vouched for.
type spool struct {
	*fsx.Spool
	r *request
}

func (s spool) Write(b []byte) (int, error) {
	if err := s.r.writing(len(b)); err != nil {
		return 0, err
	}
	return s.Spool.Write(b)
}

// writing is told of each n bytes that are going to be written. The stages of a large message
// do so at the same time.
func (r *request) writing(n int) error {
	written := r.unasked.Add(int64(n))
	if written < spaceEvery {
		return nil
	}
	r.unasked.Add(-written)
	return r.p.enough(spaceEvery)
}

func (s *stagedFile) Close() error {
	if s.unsynced {
		return s.File.Close()
	}
	if s.r.unsynced = append(s.r.unsynced, s.File); len(s.r.unsynced) < mostUnsynced {
		return nil
	}
	return s.r.syncFiles()
}

// limitedTee keeps the first bytes of a stream; left below zero says that it was longer, or
// is known to be.
type limitedTee struct {
	w    *stagedFile // nil = nothing is kept
	left int64
}

func (l *limitedTee) Write(p []byte) (int, error) {
	if l.left < 0 {
		return len(p), nil
	}
	if l.left -= int64(len(p)); l.left < 0 {
		return len(p), nil
	}
	return l.w.Write(p)
}

// startAgain makes a staging folder what it was before its message was opened. The record
// goes first: what it names is gone, or will be.
func startAgain(fsys fsx.FS, base string) error {
	for _, name := range []string{recordFile, receiptFile} {
		there, err := fsx.Exists(fsys, path.Join(base, name))
		if err == nil && there {
			err = fsx.RemoveAll(fsys, path.Join(base, name))
		}
		if err != nil {
			return err
		}
	}
	return removeOpened(fsys, base)
}

// removeOpened removes from a staging folder what was made by opening the message.
// Header and body stay, and the record. The folder is the caller's to sync.
func removeOpened(fsys fsx.FS, base string) error {
	names, err := fsys.Names(base)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !openedName(name) {
			continue
		}
		if err := fsx.RemoveAllUnsynced(fsys, path.Join(base, name)); err != nil {
			return err
		}
	}
	return nil
}

// openedName reports whether a file of a staging folder holds something that was in a
// message, and not the message itself, or was still being written.
func openedName(name string) bool {
	return strings.HasSuffix(name, partName) || strings.HasPrefix(name, fileName) || name == filesDir || name == batchDir || strings.HasPrefix(name, batchDir+"-") || strings.HasPrefix(name, payloadName) || strings.HasPrefix(name, spoolName)
}
