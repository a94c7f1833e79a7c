package process

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// keep puts itself into a job that ends with it, then runs the server, which is
// in the same job from its first moment on, as is all that it starts.
func keep(lifeline *os.File, argv []string) int {
	if err := enterJob(); err != nil {
		fmt.Fprintf(os.Stderr, "drawbridge could not start it: %v\n", err)
		return notStarted
	}
	told := orders(lifeline)
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	process, err := os.StartProcess(argv[0], argv, &os.ProcAttr{Files: files, Env: os.Environ(), Sys: hidden()})
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
