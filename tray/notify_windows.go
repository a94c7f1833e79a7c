package tray

import (
	"context"
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/drawbridge-app/drawbridge/assets"
)

var shellNotifyIcon = windows.NewLazySystemDLL("shell32.dll").NewProc("Shell_NotifyIconW")

// notifications shows notes as balloons of the tray's own icon: plain text
// that passes through no script and no markup. They have no buttons.
type notifications struct{ last string } // the name of the one shown last

func newNotifications(*assets.Texts, func(action)) *notifications { return &notifications{} }

func (*notifications) close() {}

// notifyIconData is NOTIFYICONDATAW.
type notifyIconData struct {
	Size             uint32
	Window           windows.Handle
	ID, Flags, Msg   uint32
	Icon             windows.Handle
	Tip              [128]uint16
	State, StateMask uint32
	Info             [256]uint16
	Version          uint32
	InfoTitle        [64]uint16
	InfoFlags        uint32
	GUID             windows.GUID
	BalloonIcon      windows.Handle
}

const (
	nimModify     = 1
	nifInfo       = 0x10
	niifInfo      = 1
	niifWarning   = 2
	libraryIconID = 100            // of the tray library's icon
	libraryClass  = "SystrayClass" // of its window
)

func (s *notifications) notify(_ context.Context, n note) error {
	s.last = n.Name
	return balloon(n)
}

// withdraw takes the balloon away by one without text, unless it is of another.
func (s *notifications) withdraw(_ context.Context, name string) error {
	if s.last != name {
		return nil
	}
	s.last = ""
	return balloon(note{})
}

func balloon(n note) error {
	window := ownTrayWindow()
	if window == 0 {
		return errors.New("the tray icon is not there yet")
	}
	data := notifyIconData{Window: windows.Handle(window), ID: libraryIconID, Flags: nifInfo, InfoFlags: niifInfo}
	data.Size = uint32(unsafe.Sizeof(data))
	if n.Urgent {
		data.InfoFlags = niifWarning
	}
	fill(data.InfoTitle[:], n.Title)
	fill(data.Info[:], n.text(false))
	if ok, _, _ := shellNotifyIcon.Call(nimModify, uintptr(unsafe.Pointer(&data))); ok == 0 {
		return errors.New("the taskbar refused the notification")
	}
	return nil
}

// fill copies s into a field that ends in a zero, whole characters only.
func fill(field []uint16, s string) {
	i := 0
	for _, r := range s {
		units := windows.StringToUTF16(string(r))
		units = units[:len(units)-1]
		if i+len(units) >= len(field) {
			return
		}
		i += copy(field[i:], units)
	}
}

// ownTrayWindow returns the library's window of this process, or 0.
func ownTrayWindow() uintptr {
	for w := findWindow(libraryClass, 0); w != 0; w = findWindow(libraryClass, w) {
		var pid uint32
		windowsProcess.Call(w, uintptr(unsafe.Pointer(&pid)))
		if int(pid) == os.Getpid() {
			return w
		}
	}
	return 0
}
