# A thin front of Meson: every target is a command a person would type.
.PHONY: all deps check clean help

all:
	@[ -d build/release ] || meson setup build/release --buildtype=debugoptimized -Dtests=disabled
	@ninja -C build/release

help:
	@echo "make         build the libraries and programs in build/release"
	@echo "make deps    install the Debian packages that building and checking need"
	@echo "make check   install what is missing, build and run every gate and test"
	@echo "make clean   remove build/"

deps:
	@scripts/deps build check

check: deps
	@scripts/check

clean:
	rm -rf build
