# SPDX-License-Identifier: GPL-2.0
# The release that the tools and libvmfork say they are.
VERSION := 0.1.0
