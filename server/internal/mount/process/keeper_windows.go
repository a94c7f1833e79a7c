package process

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// passLifeline hands the lifeline's reading end to the keeper, by its handle.
func passLifeline(cmd *exec.Cmd, lifeline *os.File) (handle string) {
	h := lifeline.Fd()
	_ = windows.SetHandleInformation(windows.Handle(h), windows.HANDLE_FLAG_INHERIT, windows.HANDLE_FLAG_INHERIT)
	cmd.SysProcAttr = hidden()
	cmd.SysProcAttr.AdditionalInheritedHandles = []syscall.Handle{syscall.Handle(h)}
	return strconv.FormatUint(uint64(h), 10)
}

// hidden keeps a console window from flashing up.
func hidden() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_NO_WINDOW}
}

// keep puts itself into a job that ends with it, then runs the server, which is
// in the same job from its first moment on, as is all that it starts.
func keep(lifeline *os.File, argv []string) int {
	if err := enterJob(); err != nil {
		fmt.Fprintf(os.Stderr, "drawbridge could not start it: %v\n", err)
		return notStarted
	}
	told := orders(lifeline)
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	process, err := startServer(argv, files)
	if err != nil {
		fmt.Fprintf(os.Stderr, "drawbridge could not start it: %v\n", err)
		return notStarted
	}
	for _, f := range files {
		_ = f.Close()
	}
	ended := make(chan int, 1)
	go func() {
		status := notStarted
		if state, err := process.Wait(); err == nil {
			status = state.ExitCode()
		}
		ended <- status
	}()
	for {
		select {
		case status := <-ended:
			return status
		case order := <-told:
			// There is no SIGTERM here: the end of stdin was the request.
			if order == orderKill {
				return 1
			}
		}
	}
}

// startServer starts argv; a batch file in a shell that is told what it is.
func startServer(argv []string, files []*os.File) (*os.Process, error) {
	attr := &os.ProcAttr{Files: files, Env: os.Environ(), Sys: hidden()}
	if isBatch(argv[0]) {
		folder, err := windows.GetSystemDirectory()
		if err != nil {
			return nil, fmt.Errorf("find the shell: %w", err)
		}
		shell := folder + `\cmd.exe`
		if attr.Sys.CmdLine, err = batchLine(shell, argv); err != nil {
			return nil, err
		}
		argv = []string{shell}
	}
	return os.StartProcess(argv[0], argv, attr)
}

// enterJob makes a job whose processes end when its last handle closes, which
// is this process's own, and enters it.
func enterJob() error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return fmt.Errorf("make a job object: %w", err)
	}
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if _, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info))); err != nil {
		return fmt.Errorf("set up a job object: %w", err)
	}
	if err := windows.AssignProcessToJobObject(job, windows.CurrentProcess()); err != nil {
		return fmt.Errorf("enter a job object: %w", err)
	}
	return nil
}
