package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// The layout of a bbolt file, all numbers in the machine's byte order. A page
// begins with id u64, flags u16, count u16, overflow u32; then count elements
// of 16 bytes; then, without gaps, their keys and values.
const (
	pageHeader   = 16
	elementSize  = 16
	bucketHeader = 16 // root page u64, sequence u64
	metaSum      = 56 // offset of the meta page's checksum

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketFlag   = 0x01
	noFreelist   = ^uint64(0)
)

var order = binary.NativeEndian

// pages walks through a file's pages and believes nothing.
type pages struct {
	f    io.ReaderAt
	size uint64 // of a page, in bytes
	n    uint64 // number of pages in use
	seen []bool // pages met so far: none may be met twice

	each func(key, value []byte) error // is called for each record; nil: they are only checked
}

// checkPages returns an error unless every page that bbolt would follow in f
// is whole and in order. It doesn't look into values; those are sealed. bbolt's
// own Tx.Check trusts what it reads: a page that leads back to one above it, or
// out of the file, ends the process.
func checkPages(f io.ReaderAt, pageSize int) error {
	if pageSize < 512 || pageSize > 1<<24 {
		return fmt.Errorf("pages of %d bytes", pageSize)
	}
	p := &pages{f: f, size: uint64(pageSize)}
	root, freelist, err := p.meta()
	if err != nil {
		return err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], int64(p.n*p.size)-1); err != nil {
		return fmt.Errorf("it ends before its %d pages do", p.n)
	}
	p.seen = make([]bool, p.n)
	p.seen[0], p.seen[1] = true, true
	if err := p.freelist(freelist); err != nil {
		return err
	}
	return p.walk(root, nil, nil)
}

// meta reads both meta pages and takes the newer of those whose checksum fits,
// as bbolt does: the other one was being written when the power went.
func (p *pages) meta() (root, freelist uint64, err error) {
	var txid uint64
	for i := range int64(2) {
		m := make([]byte, metaSum+8)
		if _, err := p.f.ReadAt(m, i*int64(p.size)+pageHeader); err != nil {
			return 0, 0, errors.New("it ends within its first pages")
		}
		sum := fnv.New64a()
		sum.Write(m[:metaSum])
		if sum.Sum64() != order.Uint64(m[metaSum:]) || uint64(order.Uint32(m[8:])) != p.size {
			continue
		}
		if t := order.Uint64(m[48:]); p.n == 0 || t > txid {
			txid, root, freelist, p.n = t, order.Uint64(m[16:]), order.Uint64(m[32:]), order.Uint64(m[40:])
		}
	}
	if p.n < 4 || p.n > 1<<32 {
		return 0, 0, errors.New("its first pages are unreadable")
	}
	return root, freelist, nil
}

// read returns the page id with its overflow, having marked all as met.
func (p *pages) read(id uint64) (page []byte, flags uint16, count int, err error) {
	head := make([]byte, pageHeader)
	if id < 2 || id >= p.n {
		return nil, 0, 0, fmt.Errorf("page %d does not exist", id)
	}
	if _, err := p.f.ReadAt(head, int64(id*p.size)); err != nil {
		return nil, 0, 0, fmt.Errorf("page %d: %w", id, err)
	}
	more := uint64(order.Uint32(head[12:]))
	if order.Uint64(head) != id || id+more >= p.n {
		return nil, 0, 0, fmt.Errorf("page %d is not what it should be", id)
	}
	for i := id; i <= id+more; i++ {
		if err := p.mark(i); err != nil {
			return nil, 0, 0, err
		}
	}
	page = make([]byte, (more+1)*p.size)
	if _, err := p.f.ReadAt(page, int64(id*p.size)); err != nil {
		return nil, 0, 0, fmt.Errorf("page %d: %w", id, err)
	}
	return page, order.Uint16(head[8:]), int(order.Uint16(head[10:])), nil
}

func (p *pages) mark(id uint64) error {
	if id < 2 || id >= p.n || p.seen[id] {
		return fmt.Errorf("page %d is used twice or does not exist", id)
	}
	p.seen[id] = true
	return nil
}

// freelist checks the list of pages that bbolt may overwrite.
func (p *pages) freelist(id uint64) error {
	if id == noFreelist {
		return nil
	}
	page, flags, count, err := p.read(id)
	if err != nil {
		return err
	}
	ids := page[pageHeader:]
	n := uint64(count)
	if count == 0xffff { // the number didn't fit: it stands first
		n, ids = order.Uint64(ids), ids[8:]
	}
	if flags != freelistPage || n > uint64(len(ids)/8) {
		return fmt.Errorf("page %d is no list of free pages", id)
	}
	for i := range n {
		if err := p.mark(order.Uint64(ids[i*8:])); err != nil {
			return err
		}
	}
	return nil
}

// walk checks the tree under page id, whose keys are at least low and less
// than high (nil: no bound).
func (p *pages) walk(id uint64, low, high []byte) error {
	page, flags, count, err := p.read(id)
	if err != nil {
		return err
	}
	if flags != leafPage && (flags != branchPage || count == 0) {
		return fmt.Errorf("page %d is of no known kind", id)
	}
	elements, _, err := elementsOf(page, flags, count, low, high)
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	for i, e := range elements {
		below := high
		if i+1 < count {
			below = elements[i+1].key
		}
		switch {
		case flags == branchPage:
			err = p.walk(e.child, e.key, below)
		case e.kind == bucketFlag:
			err = p.bucket(e.value)
		case e.kind != 0:
			err = fmt.Errorf("page %d: an element is of no known kind", id)
		case p.each != nil:
			err = p.each(e.key, e.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket checks a bucket: a root page's number, or, if that is 0, a single
// leaf that stands in the value itself.
func (p *pages) bucket(value []byte) error {
	if len(value) < bucketHeader {
		return errors.New("a bucket is too short")
	}
	root, inline := order.Uint64(value), value[bucketHeader:]
	switch {
	case root != 0 && len(inline) == 0:
		return p.walk(root, nil, nil)
	case root != 0 || len(inline) < pageHeader || order.Uint16(inline[8:]) != leafPage:
		return errors.New("a bucket is unreadable")
	}
	elements, end, err := elementsOf(inline, leafPage, int(order.Uint16(inline[10:])), nil, nil)
	if err == nil && (end != len(inline) || slices.ContainsFunc(elements, func(e element) bool { return e.kind != 0 })) {
		err = errors.New("a small bucket holds what it can't")
	}
	return err
}

// element is one entry of a page: a key with its value, or with the page below.
type element struct {
	kind       uint32 // of a leaf's
	key, value []byte
	child      uint64
}

// elementsOf returns the elements of a page, whose keys are at least low and
// less than high, and where the last of them ends.
func elementsOf(page []byte, flags uint16, count int, low, high []byte) (list []element, end int, err error) {
	if end = pageHeader + count*elementSize; end > len(page) {
		return nil, 0, errors.New("too many elements")
	}
	for i := range count {
		start := pageHeader + i*elementSize
		raw := page[start:]
		word := func(i int) int { return int(order.Uint32(raw[4*i:])) }
		e, pos, ksize, vsize := element{kind: order.Uint32(raw)}, word(1), word(2), word(3)
		if flags == branchPage {
			e, pos, ksize, vsize = element{child: order.Uint64(raw[8:])}, word(0), word(1), 0
		}
		if start+pos != end || ksize > len(page)-end || vsize > len(page)-end-ksize {
			return nil, 0, errors.New("an element is out of place")
		}
		e.key, e.value = page[end:end+ksize], page[end+ksize:end+ksize+vsize]
		if c := bytes.Compare(e.key, low); c < 0 || i > 0 && c == 0 || high != nil && bytes.Compare(e.key, high) >= 0 {
			return nil, 0, errors.New("its keys are out of order")
		}
		low, end = e.key, end+ksize+vsize
		list = append(list, e)
	}
	return list, end, nil
}
