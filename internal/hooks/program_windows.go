package hooks

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// inheritedNames are the variables that programs get from the agent's environment.
var inheritedNames = []string{"PATH", "PATHEXT", "SystemRoot", "SystemDrive", "windir", "ComSpec", "TEMP", "TMP", "USERPROFILE", "USERNAME", "APPDATA", "LOCALAPPDATA",
	"ProgramData", "ProgramFiles", "ProgramFiles(x86)", "CommonProgramFiles", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "OS"}

// tree is a program with everything that it starts: a job, which ends with its handle.
type tree windows.Handle

// start starts a program without a window. It does not run before it is in its job.
func start(cmd *exec.Cmd) (tree, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, fmt.Errorf("job object: %w", err)
	}
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE}}
	if _, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info))); err != nil {
		return 0, errors.Join(fmt.Errorf("job object: %w", err), windows.CloseHandle(job))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_SUSPENDED | windows.CREATE_NO_WINDOW}
	if err := cmd.Start(); err != nil {
		return 0, errors.Join(err, windows.CloseHandle(job))
	}
	if err := release(job, uint32(cmd.Process.Pid)); err != nil {
		_ = cmd.Process.Kill() // it was never let run
		_ = cmd.Wait()
		return 0, errors.Join(err, windows.CloseHandle(job))
	}
	return tree(job), nil
}

// release puts a suspended process into a job and lets it run.
func release(job windows.Handle, pid uint32) error {
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, pid)
	if err != nil {
		return err
	}
	err = windows.AssignProcessToJobObject(job, process)
	if err = errors.Join(err, windows.CloseHandle(process)); err != nil {
		return fmt.Errorf("job object: %w", err)
	}
	threads, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(threads) // only read from
	entry := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	for err = windows.Thread32First(threads, &entry); err == nil; err = windows.Thread32Next(threads, &entry) {
		if entry.OwnerProcessID != pid {
			continue
		}
		thread, err := windows.OpenThread(windows.THREAD_SUSPEND_RESUME, false, entry.ThreadID)
		if err == nil {
			_, err = windows.ResumeThread(thread)
			err = errors.Join(err, windows.CloseHandle(thread))
		}
		return err // a new process has one
	}
	return fmt.Errorf("the program's thread was not found: %w", err)
}

func (t tree) kill() {
	_ = windows.TerminateJobObject(windows.Handle(t), 1) // there is nobody left, or nothing that can be done
}

// end closes the job, and with it ends everybody in it.
func (t tree) end() {
	t.kill()
	_ = windows.CloseHandle(windows.Handle(t)) // it is ours, and open
}
