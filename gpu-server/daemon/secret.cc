// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/secret.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "protocol/base/fd.h"

namespace farlane::server {

struct Secret::Page {
  // More than a line that fits a hello, so that a longer one is noticed.
  static constexpr size_t kBytes = 4096;

  Page() = default;
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;

  ~Page() {
    if (bytes != nullptr) {
      explicit_bzero(bytes, kBytes);
      munmap(bytes, kBytes);
    }
  }

  Status Map() {
    void* const got =
        mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (got == MAP_FAILED) {
      return Status::FromErrno(StatusCode::kExhausted, "no memory for the token", errno);
    }
    bytes = static_cast<char*>(got);
    // Without either the token would be with the workers, or in a core file.
    if (madvise(bytes, kBytes, MADV_WIPEONFORK) != 0 ||
        madvise(bytes, kBytes, MADV_DONTDUMP) != 0) {
      return Status::FromErrno(StatusCode::kInternal, "cannot keep the token from workers", errno);
    }
    return Status::Ok();
  }

  char* bytes = nullptr;
  size_t size = 0;
};

std::string_view Secret::text() const {
  return page_ == nullptr ? std::string_view() : std::string_view(page_->bytes, page_->size);
}

Result<Secret> Secret::ReadFirstLine(const std::string& path, size_t size_max) {
  auto page = std::make_shared<Page>();
  FARLANE_TRY(page->Map());
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t got = file.valid() ? read(file.get(), page->bytes, Page::kBytes) : -1;
  if (got <= 0) {
    return Status(StatusCode::kNotFound, "the token file " + path + " cannot be read or is empty");
  }
  const char* const end = page->bytes + got;
  size_t size = static_cast<size_t>(std::find(page->bytes, page->bytes + got, '\n') - page->bytes);
  while (size != 0 && (page->bytes[size - 1] == '\r' || page->bytes[size - 1] == ' ')) {
    --size;
  }
  // An empty token would let everybody in while looking like a lock.
  if (size == 0 || size > size_max) {
    return Status(StatusCode::kInvalidArgument, "the first line of " + path +
                                                    " must hold a token of 1 to " +
                                                    std::to_string(size_max) + " bytes");
  }
  explicit_bzero(page->bytes + size, static_cast<size_t>(end - page->bytes) - size);
  page->size = size;
  Secret secret;
  secret.page_ = std::move(page);
  return secret;
}

}  // namespace farlane::server
