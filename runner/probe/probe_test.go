package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func answer(text string, err error) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return text, err }
}

// First and All agree: there is an error if and only if something fails, and it
// is that of the first failure.
func TestFirstAndAllAgree(t *testing.T) {
	kinds := []Probe{
		{Name: "fine", Try: answer("there", nil)},
		{Name: "unwanted", Try: answer("", NotNeeded("nobody wants it"))},
		{Name: "advice", Advice: true, Try: answer("", errors.New("slow"))},
		{Name: "scarce", Try: answer("", warning{})},
		{Name: "broken", Try: answer("", Mend(errors.New("gone"), Command("mend it")))},
		{Name: "alone", Alone: true, Try: answer("", errors.New("gone, too"))},
	}
	for n := range 6 * 6 * 6 {
		list := []Probe{kinds[n%6], kinds[n/6%6], kinds[n/36]}
		err := First(t.Context(), list)
		found, aerr := All(t.Context(), list)
		if aerr != nil || len(found) != 3 {
			t.Fatalf("%v, %v", found, aerr)
		}
		if Works(found) != (err == nil) {
			t.Errorf("%v: First says %v, All says %+v", n, err, found)
		}
		first := slices.IndexFunc(found, func(f Finding) bool { return f.Verdict == Fails })
		if err != nil && !strings.HasPrefix(err.Error(), found[first].Found) {
			t.Errorf("%v: First says %v, All says %+v", n, err, found[first])
		}
		for i, f := range found {
			if f.Verdict == NotTried && (first < 0 || i < first || list[i].Alone) {
				t.Errorf("%v: not tried without reason: %+v", n, found)
			}
		}
	}
}

type warning struct{}

func (warning) Error() string { return "little is left" }
func (warning) Warning() bool { return true }

// What is found does not repeat the remedy, wherever the fault is in the error.
func TestFindingWithoutRemedy(t *testing.T) {
	inner := Mend(errors.New("the door is shut"), Command("open it"), Advise("use the window"))
	err := fmt.Errorf("going out: %w", inner)
	if want := "going out: the door is shut (as root, open it; or use the window)"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	found, _ := All(t.Context(), []Probe{{Name: "door", Try: answer("", err)}})
	if f := found[0]; f.Found != "going out: the door is shut" || len(f.Mend) != 2 || f.Mend[0].Command != "open it" {
		t.Errorf("got %+v", f)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	list := []Probe{{Name: "x", Try: answer("", nil)}}
	if err := First(ctx, list); !errors.Is(err, context.Canceled) {
		t.Errorf("First: %v", err)
	}
	if found, err := All(ctx, list); !errors.Is(err, context.Canceled) || len(found) > 0 {
		t.Errorf("All: %v, %v", found, err)
	}
}

func TestFor(t *testing.T) {
	list := append(Install("uidmap", "shadow-utils"), Advise("wait"))
	for ids, want := range map[string]string{"debian": "apt-get install uidmap", "ubuntu debian": "apt-get install uidmap", "fedora": "dnf install shadow-utils", "centos rhel fedora": "dnf install shadow-utils"} {
		if got := For(list, strings.Fields(ids)...); len(got) != 2 || got[0].Command != want || got[1].Note != "wait" {
			t.Errorf("%s: %v", ids, got)
		}
	}
	if got := For(list, "arch"); len(got) != 3 {
		t.Errorf("on a system that nobody knows: %v", got)
	}
}
