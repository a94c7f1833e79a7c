//go:build !windows && !darwin

package assets

// systemLocale is "": here the environment says it, or nobody does.
func systemLocale() string { return "" }
