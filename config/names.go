package config

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Names lists the partners and the stations of a file, sorted, without looking at
// anything else in it. A file that cannot be read has none.
func Names(file string) (partners, stations []string) {
	var f struct{ Partners, Stations map[string]yaml.Node }
	b, err := readFile(file)
	if err != nil || yaml.Unmarshal(b, &f) != nil {
		return nil, nil
	}
	return slices.Sorted(maps.Keys(f.Partners)), slices.Sorted(maps.Keys(f.Stations))
}
