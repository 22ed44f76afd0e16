package simdisk

type locks struct{}
type shared struct{}
