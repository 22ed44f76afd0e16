package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/logs"
	"github.com/as2drop/as2drop/internal/service"
)

// logFlags go before what the config says under log.
type logFlags struct {
	LogFile  string `help:"Log into this file and nowhere else; it is set aside at 10 MiB, and nine older ones are kept." placeholder:"FILE"`
	LogJSON  bool   `name:"log-json" help:"Log as JSON."`
	LogLevel string `enum:"debug,info,warn,error," default:"" help:"What to log: debug, info, warn, error. As the config says, or info." placeholder:"LEVEL"`
}

// places are where the agent logs.
func (f *logFlags) places(cfg *config.Config) []config.Log {
	list := slices.Clone(cfg.Log)
	switch {
	case f.LogFile != "":
		l := config.DefaultLog(config.ToFile)
		l.File = f.LogFile
		list = []config.Log{l}
	case len(list) == 0:
		list = []config.Log{config.DefaultLog(config.ToStderr)}
	}
	for i := range list {
		if f.LogJSON {
			list[i].Format = "json"
		}
		if f.LogLevel != "" {
			list[i].Level, _ = config.ParseLevel(f.LogLevel) // it is one of them
		}
	}
	return list
}

// elsewhere reports whether the log goes where main does not print.
func (f *logFlags) elsewhere(cfg *config.Config) bool {
	return slices.ContainsFunc(f.places(cfg), func(l config.Log) bool { return l.To != config.ToStderr })
}

func (f *logFlags) open(g *globals, cfg *config.Config, host *service.Host) (*logs.Logs, error) {
	w := logs.World{Stderr: g.err}
	if host != nil {
		w.Events = host.Events
	}
	l, err := logs.Open(f.places(cfg), w)
	if err != nil && f.LogFile != "" {
		return nil, fmt.Errorf("--log-file: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Path, err)
	}
	return l, nil
}

// reopened begins log files anew before it passes on that the config is to be read.
func (f *logFlags) reopened(ctx context.Context, l *logs.Logs, asked <-chan struct{}) <-chan struct{} {
	out := make(chan struct{})
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-asked:
			}
			if err := l.Reopen(); err != nil {
				l.Logger().Error("a log file could not be opened again", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case out <- struct{}{}:
			}
		}
	}()
	return out
}
