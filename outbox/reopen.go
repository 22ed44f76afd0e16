package outbox

import (
	"errors"
	"io/fs"
	"path"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// recompute takes another digest of a sealed message.
func (o *Outbox) recompute(t *ledger.Transfer, s *as2.Sealed, d cms.Digest) (mic as2.MIC, err error) {
	err = o.withMessage(t, func(f fsx.File, options as2.OpenOptions) error {
		mic, err = as2.Recompute(s, f, d, options)
		return err
	})
	return mic, err
}

// compare finds out what the partner's MIC was computed over; nil = nothing known.
func (o *Outbox) compare(t *ledger.Transfer, s *as2.Sealed, theirs as2.MIC) (found *as2.Variation, err error) {
	envelope, err := s.Envelope()
	if err != nil {
		return nil, err
	}
	err = o.withMessage(t, func(f fsx.File, options as2.OpenOptions) error {
		x, err := as2.Examine(envelope, f, nil, options)
		if err == nil && !x.Opens(s) {
			err = errors.New("the sealed message cannot be opened again with our keys")
		}
		if err != nil {
			return err
		}
		if v, ok := x.Explain(theirs); ok {
			found = &v
		}
		return nil
	})
	return found, err
}

// withMessage opens the sealed message where it lies now: with the files while the
// transfer is under way, else with the evidence. It is opened with our own key.
func (o *Outbox) withMessage(t *ledger.Transfer, f func(fsx.File, as2.OpenOptions) error) error {
	for _, dir := range []string{o.work(t), o.evidence(t)} {
		file, err := o.p.Folder.OpenFile(path.Join(dir, messageFile), fsx.ReadOnly, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		defer file.Close() // opened for reading: nothing can be lost
		return f(file, as2.OpenOptions{Identities: o.p.Identities, At: o.Now(), Spool: func() (cms.Spool, error) {
			return fsx.NewSpool(o.p.Folder, path.Join(dir, spoolFile), filePerm)
		}})
	}
	return errors.New("the sealed message is not kept any more")
}
