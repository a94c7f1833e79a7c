// Drawbridgew starts drawbridge.exe, which stands beside it, without a console
// window: what the Start menu opens and Windows runs at login. Drawbridge itself
// is a console program, so that in a terminal its output, its exit code and
// Ctrl+C are what they are elsewhere.
package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/windows"
)

func main() {
	self, err := os.Executable()
	if err == nil {
		cmd := exec.Command(filepath.Join(filepath.Dir(self), "drawbridge.exe"), os.Args[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NO_WINDOW}
		err = cmd.Start()
	}
	if err != nil {
		text, _ := windows.UTF16PtrFromString("Drawbridge could not be started. Install it again.\n\n" + err.Error())
		title, _ := windows.UTF16PtrFromString("Drawbridge")
		_, _ = windows.MessageBox(0, text, title, windows.MB_ICONERROR)
		os.Exit(1)
	}
}
