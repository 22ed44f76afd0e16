package service

import (
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"
)

// changeConfig2 changes one of the later settings of a service; info is the structure that
// belongs to the level.
func changeConfig2[T any](s *mgr.Service, level uint32, info *T) error {
	return windows.ChangeServiceConfig2(s.Handle, level, (*byte)(unsafe.Pointer(info)))
}

// queryConfig reads the settings that every Windows has. The method of package mgr asks for
// later ones, too, and fails where there are none.
func queryConfig(s *mgr.Service) (*windows.QUERY_SERVICE_CONFIG, error) {
	n := uint32(1024)
	for {
		b := make([]byte, n)
		c := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&b[0]))
		err := windows.QueryServiceConfig(s.Handle, c, n, &n)
		if err == nil {
			return c, nil
		}
		if err != windows.ERROR_INSUFFICIENT_BUFFER || n <= uint32(len(b)) {
			return nil, err
		}
	}
}

// changeConfig changes the settings that every Windows has; see queryConfig.
func changeConfig(s *mgr.Service, c mgr.Config, command string) error {
	var texts [4]*uint16
	for i, text := range []string{command, c.ServiceStartName, c.Password, c.DisplayName} {
		p, err := windows.UTF16PtrFromString(text)
		if err != nil {
			return err
		}
		if text != "" {
			texts[i] = p
		}
	}
	dependencies, err := windows.UTF16FromString(c.Dependencies[0])
	if err != nil {
		return err
	}
	dependencies = append(dependencies, 0) // a list ends with an empty one
	return windows.ChangeServiceConfig(s.Handle, c.ServiceType, c.StartType, c.ErrorControl, texts[0], nil, nil, &dependencies[0], texts[1], texts[2], texts[3])
}
