package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
)

// photo draws a gear wheel on a grained background, so that the file is as
// incompressible as a photograph.
func photo() []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, drawing()); err != nil {
		panic(err) // a buffer takes everything, and the picture is neither empty nor huge
	}
	return out.Bytes()
}

func drawing() *image.RGBA {
	const width, height = 240, 180
	grain := rand.New(rand.NewPCG(2026, 1001))
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.RGBA{R: 58, G: 66, B: 74, A: 255}
			if onGear(float64(x)-width/2, float64(y)-height/2) {
				c = color.RGBA{R: 176, G: 170, B: 158, A: 255}
			}
			shade := uint8(y/6) + uint8(grain.IntN(24))
			picture.SetRGBA(x, y, color.RGBA{R: c.R + shade, G: c.G + shade, B: c.B + shade, A: 255})
		}
	}
	return picture
}

// onGear says whether a point, seen from the middle, lies on the wheel: twelve
// teeth between the radii 56 and 68, a bore of radius 16.
func onGear(x, y float64) bool {
	const bore, root, tip, teeth = 16, 56, 68, 12
	r := math.Hypot(x, y)
	if r < bore || r > tip {
		return false
	}
	return r < root || math.Sin(teeth*math.Atan2(y, x)) > 0
}
