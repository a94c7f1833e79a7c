//go:build !windows

package main

func main() {} // elsewhere no program brings a window along
