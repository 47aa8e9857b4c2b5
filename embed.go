// Package dbctl holds the project that ships with the tool, CityDrive, for `dbctl init --example citydrive`.
package dbctl

import "embed"

// CityDrive is the project at the root of this repository: dbctl.yaml, migrations/, loads/ and .env.example.
//
//go:embed dbctl.yaml migrations loads .env.example
var CityDrive embed.FS
