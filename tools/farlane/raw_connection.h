// SPDX-License-Identifier: Apache-2.0
// A bare TCP connection over loopback, which is what the measurements of `farlane bench` are held
// against. It blocks, and nothing is added to what the system does.
#pragma once

#include <cstddef>
#include <utility>

#include "protocol/base/fd.h"

namespace farlane::cli::raw {

// Both ends; invalid where there is no loopback.
std::pair<Fd, Fd> Connect();

// True if all of it went through.
bool Send(int fd, const char* data, size_t bytes);
bool Receive(int fd, char* data, size_t bytes);

// The far end: answers each message of `bytes` with one byte, until the near end closes.
void Answer(int fd, size_t bytes);

}  // namespace farlane::cli::raw
