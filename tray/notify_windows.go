package tray

import (
	"context"
	"errors"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/drawbridge-app/drawbridge/assets"
)

var (
	shellNotifyIcon = windows.NewLazySystemDLL("shell32.dll").NewProc("Shell_NotifyIconW")
	getWindowLong   = user32.NewProc("GetWindowLongPtrW")
	setWindowLong   = user32.NewProc("SetWindowLongPtrW")
	callWindowProc  = user32.NewProc("CallWindowProcW")
)

// notifications shows notes as balloons of the tray's own icon: plain text
// that passes through no script and no markup. They have no buttons; a click on
// one opens its page of the console. Buttons would want a COM server, or an
// address that any web page can open.
type notifications struct {
	click func(action)
	once  sync.Once // for listen

	mu   sync.Mutex // guards last
	last note       // the one shown last
}

func newNotifications(_ *assets.Texts, click func(action)) *notifications {
	return &notifications{click: click}
}

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
	nimModify           = 1
	nifInfo             = 0x10
	niifInfo            = 1
	niifWarning         = 2
	libraryIconID       = 100            // of the tray library's icon
	libraryClass        = "SystrayClass" // of its window
	libraryMessage      = 0x400 + 1      // of its icon, to its window
	ninBalloonUserClick = 0x400 + 5
	gwlpWndProc         = ^uintptr(3) // -4
)

func (s *notifications) notify(_ context.Context, n note) error {
	s.mu.Lock()
	s.last = n
	s.mu.Unlock()
	return s.balloon(n)
}

// withdraw takes the balloon away by one without text, unless it is of another.
func (s *notifications) withdraw(_ context.Context, name string) error {
	s.mu.Lock()
	is := s.last.Name == name
	if is {
		s.last = note{}
	}
	s.mu.Unlock()
	if !is {
		return nil
	}
	return s.balloon(note{})
}

// listen hears of clicks on balloons before the library, which passes them over.
func (s *notifications) listen(window uintptr) {
	library, _, _ := getWindowLong.Call(window, gwlpWndProc)
	setWindowLong.Call(window, gwlpWndProc, windows.NewCallback(func(window, message, w, l uintptr) uintptr {
		if message == libraryMessage && l == ninBalloonUserClick {
			s.mu.Lock()
			page := s.last.Page
			s.mu.Unlock()
			if page != "" {
				s.click(action{kind: openConsole, page: page})
			}
		}
		r, _, _ := callWindowProc.Call(library, window, message, w, l)
		return r
	}))
}

func (s *notifications) balloon(n note) error {
	window := ownTrayWindow()
	if window == 0 {
		return errors.New("the tray icon is not there yet")
	}
	s.once.Do(func() { s.listen(window) })
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
