# A thin front of Meson: every target is a command a person would type.
.PHONY: all deps run check bench bench-deadline soak suites fuzz deb install clean help

all:
	@[ -d build/release ] || meson setup build/release --buildtype=debugoptimized -Dtests=disabled
	@ninja -C build/release
	@ln -sfn release/postroad build/postroad

help:
	@echo "make           build build/postroad and the roles' programs (build/release)"
	@echo "make deps      install the Debian packages that building needs"
	@echo "make run       install what is missing, build, and show a demo: real posts to a list, traced and archived"
	@echo "make check     install what is missing, build and run every gate and test"
	@echo "make bench     measure beside Debian's Postfix; writes bench/RESULTS.md"
	@echo "make bench-deadline  its scene \"deadline\" alone: announcements to many beside ordinary posts"
	@echo "make soak      the crash and power-cut tests in full size"
	@echo "make suites    run the public suites of mail authentication; SUITES=FOLDER: those there"
	@echo "make fuzz      run every fuzz target for FUZZ_SECONDS (60) each, with libFuzzer"
	@echo "make deb       build the Debian packages into build/deb, hold them to lintian, and try what is in them"
	@echo "make install   install into DESTDIR/usr/local"
	@echo "make clean     remove build/"

deps:
	@scripts/deps build

run: deps all
	@scripts/demo build/release build/demo

check:
	@scripts/deps build check
	@scripts/check

bench:
	@scripts/deps build check bench
	@$(MAKE) --no-print-directory all
	@scripts/bench

bench-deadline: all
	@scripts/deps build check bench
	@scripts/bench deadline

soak:
	@scripts/deps build check
	@scripts/soak

suites: all
	@scripts/deps build check
	@scripts/check gcc
	@scripts/suites $(SUITES)

fuzz:
	@scripts/deps build check
	@scripts/fuzz $(or $(FUZZ_SECONDS),60)

deb:
	@scripts/deps build check deb
	@scripts/deb
	@scripts/check gcc
	@/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/system/test_package.py

install: all
	@meson install -C build/release --no-rebuild

clean:
	rm -rf build
