package keystore

import (
	"context"
	"sync"
)

// Memory keeps secrets until the process ends: for the demo and for tests.
func Memory() Store { return &memory{secrets: map[string]Secret{}} }

type memory struct {
	mu      sync.Mutex // guards secrets
	secrets map[string]Secret
}

func (m *memory) Get(_ context.Context, account string) (Secret, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.secrets[account]
	if !ok {
		return Secret{}, ErrNotFound
	}
	return s, nil
}

func (m *memory) Set(_ context.Context, account string, s Secret) error {
	if err := check(opSet, account, s); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.secrets[account] = s
	return nil
}

func (m *memory) Delete(_ context.Context, account string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.secrets[account]; !ok {
		return ErrNotFound
	}
	delete(m.secrets, account)
	return nil
}
