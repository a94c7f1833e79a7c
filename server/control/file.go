package control

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// fileName is the file in the data folder by which commands find the running
// instance.
const fileName = "control.json"

// address is what stands in control.json.
type address struct {
	URL     string `json:"url"` // http://127.0.0.1:PORT
	Key     string `json:"key"`
	PID     int    `json:"pid"`
	Version string `json:"version"`
}

// writeFile replaces the file at path at once, readable by its owner alone.
func writeFile(path string, a address) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return config.WriteFile(path, append(data, '\n'))
}

func readFile(path string) (address, error) {
	var a address
	data, err := os.ReadFile(path)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(data, &a)
}

// What Prometheus has to be told: where (file_sd_config), and the key
// (credentials_file). Both are others at each start.
const (
	targetFile = "metrics.json"
	keyFile    = "metrics.key"
)

func writeTarget(dataDir, addr, key string) error {
	target, err := json.Marshal([]map[string][]string{{"targets": {addr}}})
	if err == nil {
		err = config.WriteFile(filepath.Join(dataDir, targetFile), append(target, '\n'))
	}
	if err == nil {
		err = config.WriteFile(filepath.Join(dataDir, keyFile), []byte(key))
	}
	return err
}

// removeFile removes the file, and those for Prometheus, unless a later instance has written its own.
func removeFile(path, key string) {
	if a, err := readFile(path); err == nil && a.Key == key {
		for _, name := range []string{fileName, targetFile, keyFile} {
			os.Remove(filepath.Join(filepath.Dir(path), name))
		}
	}
}
