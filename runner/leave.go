package runner

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"satchel/manifest"
)

// maxRemains is how many failed scripts' containers are kept; what is in use comes on top.
const maxRemains = 4

// Left is what Run.Kept is told of.
type Left struct {
	Name       string // of the Remains
	Descriptor string
	Target     string
}

// leftNote is the note of Remains: what they are the remains of.
type leftNote struct {
	Bundle     manifest.Digest `json:"bundle"`
	Lock       manifest.Digest `json:"lock"` // which pins all that the script was given
	Descriptor string          `json:"descriptor"`
	Target     string          `json:"target"`
	How        string          `json:"how"` // it ended, for people
}

// same tells whether two are of one build: but for the newest nobody can ask for them.
func (n leftNote) same(o leftNote) bool {
	return n.Lock == o.Lock && n.Descriptor == o.Descriptor && n.Target == o.Target
}

// readNote reads a note; ok is false of one that is not ours.
func readNote(r Remains) (n leftNote, ok bool) {
	err := json.Unmarshal([]byte(r.Note), &n)
	return n, err == nil && n.Descriptor != "" && n.Target != "" && !n.Lock.IsZero()
}

// note says of what b's container are the remains.
func (b *build) note() (leftNote, error) {
	lock, err := b.run.Lock.Marshal()
	return leftNote{Bundle: b.run.Bundle, Lock: manifest.Sum(lock), Descriptor: b.pin.Name, Target: b.name}, err
}

// leave keeps what the script has left in its container, if anybody wants that. The build
// has failed of cause, and nothing that goes wrong here is worth more than being told: nothing
// is left then.
func (b *build) leave(ctx context.Context, p Process, env Environment, cause error) {
	if b.run.Kept == nil || !b.placed || ctx.Err() != nil {
		return
	}
	b.step("Keeping what the script left in its container")
	r, err := b.remains(env, cause)
	if err == nil {
		err = p.Leave(ctx, r)
	}
	if err != nil {
		if ctx.Err() == nil {
			b.step(fmt.Sprintf("It could not be kept: %v", err))
		}
		return
	}
	b.run.Kept(Left{Name: r.Name, Descriptor: b.pin.Name, Target: b.name})
	if err := b.prune(ctx); err != nil {
		b.step(fmt.Sprintf("What earlier scripts left could not be removed: %v", err))
	}
}

// remains names what is to be kept.
func (b *build) remains(env Environment, cause error) (Remains, error) {
	n, err := b.note()
	if err != nil {
		return Remains{}, err
	}
	n.How = "its results could not be taken"
	var se *ScriptError
	if errors.As(cause, &se) {
		n.How = fmt.Sprintf("it ended with status %d", se.Exit)
	}
	text, err := json.Marshal(n)
	if err != nil {
		return Remains{}, err
	}
	var id [8]byte
	rand.Read(id[:]) // never fails
	return Remains{Name: remainsName(b.pin.Name, b.name, id), Environment: env, Made: b.run.now(), Note: string(text)}, nil
}

// prune forgets all but the newest remains of each build, and all but the newest few of
// them. Several runs may do so at once: they agree on what the newest are. What is in use
// stays.
func (b *build) prune(ctx context.Context) error {
	list, err := b.run.Engine.Remains(ctx)
	if err != nil {
		return err
	}
	var errs []error
	var kept []leftNote
	for _, r := range list {
		n, ok := readNote(r)
		keep := ok && len(kept) < maxRemains
		for _, k := range kept {
			keep = keep && !n.same(k)
		}
		if keep {
			kept = append(kept, n)
			continue
		}
		if err := b.run.Engine.Forget(ctx, r.Name); err != nil && !errors.Is(err, ErrInUse) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
