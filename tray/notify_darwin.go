//go:build cgo

package tray

/*
#cgo CFLAGS: -x objective-c -fobjc-arc
#cgo LDFLAGS: -framework Foundation -framework UserNotifications

#include <stdlib.h>

int drawbridge_notes_begin(void);
char *drawbridge_note_show(const char *name, const char *title, const char *body, const char *buttons);
void drawbridge_note_remove(const char *name);
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/drawbridge-app/drawbridge/assets"
)

// notifications shows notes as Drawbridge's own, with buttons, through
// UserNotifications. That wants an app bundle: a program alone shows them
// through AppleScript, which has no buttons. This and notify_darwin.m were
// written away from a Mac: type-checked (.github/macos.sh), never run.
type notifications struct {
	click func(action)
	own   bool // UserNotifications shows them

	mu    sync.Mutex      // guards both below
	count int             // of notes without a name
	shown map[string]note // that may still be on the screen
}

// listener hears of clicks: those of C are no method's. There is one tray in a
// process.
var listener *notifications

func newNotifications(_ *assets.Texts, click func(action)) *notifications {
	listener = &notifications{click: click, shown: map[string]note{}}
	listener.own = C.drawbridge_notes_begin() != 0
	return listener
}

func (*notifications) close() {}

func (n *notifications) notify(ctx context.Context, what note) error {
	if !n.own {
		return script(ctx, what)
	}
	var labels []string
	for _, b := range what.Buttons {
		labels = append(labels, b.Label)
	}
	texts := [...]*C.char{C.CString(n.remember(what)), C.CString(what.Title), C.CString(what.text(true)), C.CString(strings.Join(labels, "\n"))}
	cause := C.drawbridge_note_show(texts[0], texts[1], texts[2], texts[3])
	for _, t := range append(texts[:], cause) {
		defer C.free(unsafe.Pointer(t))
	}
	if cause != nil {
		return errors.New("show a notification: " + C.GoString(cause))
	}
	return nil
}

// remember returns by which identifier what is shown.
func (n *notifications) remember(what note) (id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if id = what.Name; id == "" {
		n.count++
		id = strconv.Itoa(n.count)
		delete(n.shown, strconv.Itoa(n.count-maxShown))
	}
	n.shown[id] = what
	return id
}

// maxShown bounds the notes whose clicks are known: nobody says that one is gone.
const maxShown = 64

// withdraw closes the note of this name. AppleScript can't.
func (n *notifications) withdraw(_ context.Context, name string) error {
	if n.own && n.take(name) != nil {
		id := C.CString(name)
		defer C.free(unsafe.Pointer(id))
		C.drawbridge_note_remove(id)
	}
	return nil
}

// take forgets a note and returns it, nil if there is none.
func (n *notifications) take(id string) *note {
	n.mu.Lock()
	defer n.mu.Unlock()
	what, ok := n.shown[id]
	if !ok {
		return nil
	}
	delete(n.shown, id)
	return &what
}

// drawbridgeNoteClicked is told of a click on a note, button 0, or on one of its
// buttons, from 1.
//
//export drawbridgeNoteClicked
func drawbridgeNoteClicked(id *C.char, button C.int) {
	what := listener.take(C.GoString(id))
	switch i := int(button); {
	case what == nil:
	case i > 0 && i <= len(what.Buttons):
		listener.click(what.Buttons[i-1].Does)
	case what.Page != "":
		listener.click(action{kind: openConsole, page: what.Page})
	}
}

// notifyScript gets the texts as arguments, never as part of itself.
const notifyScript = `on run argv
display notification (item 2 of argv) with title "Drawbridge" subtitle (item 1 of argv)
end run`

// script shows a note through AppleScript.
func script(ctx context.Context, n note) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := exec.CommandContext(ctx, "/usr/bin/osascript", "-e", notifyScript, "--", n.Title, n.text(false)).Run(); err != nil {
		return fmt.Errorf("show a notification: %w", err)
	}
	return nil
}
