package rig

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Descendants returns the processes that a process has started, and those that
// they have.
func Descendants(pid int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	parents := map[int]int{}
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // the name may hold anything
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parents[child], _ = strconv.Atoi(fields[1])
	}
	for child := range parents {
		for up := parents[child]; up > 1; up = parents[up] {
			if up == pid {
				pids = append(pids, child)
				break
			}
		}
	}
	return pids
}
