// SPDX-License-Identifier: Apache-2.0
// Lets the client library load into a program whose C library is as old as glibc 2.28, although it
// is built on a newer one. Everything here is hidden, so only our own library sees it, and it is
// linked whole, so that it comes before the C library. A symbol that is too new and not here fails
// tests/system/glibc_floor.
#include <cstddef>
#include <cstdint>

#include <dlfcn.h>
#include <link.h>
#include <sys/random.h>

#if defined(__x86_64__)
#define FARLANE_FIRST_GLIBC "GLIBC_2.2.5"
#define FARLANE_JUMP_TO(name) "endbr64\n jmp " name "@PLT\n"
#elif defined(__aarch64__)
#define FARLANE_FIRST_GLIBC "GLIBC_2.17"
#define FARLANE_JUMP_TO(name) "hint #34\n b " name "\n"  // hint 34: may be jumped to
#else
#error "name the first glibc of this architecture and how it jumps"
#endif

// Gives `name` the meaning that it has had since the first glibc. Before 2.34 these lived in
// libpthread, whose name the client library therefore keeps in its list of needed libraries; the
// move gave them a second version, which the linker would take by itself. A jump, not a call: no
// argument has to be named.
#define FARLANE_FIRST_VERSION(name) \
  __asm__(".symver first_" #name ", " #name "@" FARLANE_FIRST_GLIBC "\n" \
          ".pushsection .text\n"                                         \
          ".globl " #name "\n"                                           \
          ".hidden " #name "\n"                                          \
          ".type " #name ", %function\n" #name                           \
          ":\n"                                                          \
          ".cfi_startproc\n" FARLANE_JUMP_TO("first_" #name)             \
          ".cfi_endproc\n"                                               \
          ".size " #name ", . - " #name "\n"                             \
          ".popsection\n")

FARLANE_FIRST_VERSION(pthread_create);
FARLANE_FIRST_VERSION(pthread_join);
FARLANE_FIRST_VERSION(pthread_detach);
FARLANE_FIRST_VERSION(pthread_once);
FARLANE_FIRST_VERSION(pthread_mutex_trylock);
FARLANE_FIRST_VERSION(pthread_rwlock_rdlock);
FARLANE_FIRST_VERSION(pthread_rwlock_wrlock);
FARLANE_FIRST_VERSION(pthread_rwlock_unlock);
FARLANE_FIRST_VERSION(pthread_key_create);
FARLANE_FIRST_VERSION(__pthread_key_create);  // what the C++ library looks for to see threads
FARLANE_FIRST_VERSION(pthread_key_delete);
FARLANE_FIRST_VERSION(pthread_getspecific);
FARLANE_FIRST_VERSION(pthread_setspecific);
FARLANE_FIRST_VERSION(pthread_sigmask);  // moved in 2.32
// The same for those of libanl.
FARLANE_FIRST_VERSION(getaddrinfo_a);
FARLANE_FIRST_VERSION(gai_suspend);
FARLANE_FIRST_VERSION(gai_error);
FARLANE_FIRST_VERSION(gai_cancel);
// The same for those of libdl.
FARLANE_FIRST_VERSION(dlopen);
FARLANE_FIRST_VERSION(dlsym);
FARLANE_FIRST_VERSION(dladdr);
FARLANE_FIRST_VERSION(dlerror);

// The C++ library counts references without atomic instructions while this says that there is one
// thread; new in 2.32. False is always right.
extern "C" {
// NOLINTNEXTLINE(bugprone-reserved-identifier): the C library's own name
[[gnu::visibility("hidden")]] char __libc_single_threaded = 0;
}

// std::random_device may take its numbers from here; new in 2.36. We do not use it, but it lies in
// one object with what we use.
extern "C" [[gnu::visibility("hidden")]] uint32_t arc4random() {
  uint32_t number = 0;
  while (getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number)) {
  }
  return number;
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE
namespace {

struct Search {
  uintptr_t address;
  dl_find_object* found;
};

int FindIn(dl_phdr_info* object, size_t /*bytes*/, void* opaque) {
  const auto* search = static_cast<const Search*>(opaque);
  dl_find_object& found = *search->found;
  bool inside = false;
  found = {};
  for (size_t i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    const uintptr_t start = object->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_GNU_EH_FRAME) {
      found.dlfo_eh_frame = reinterpret_cast<void*>(start);
    }
    if (segment.p_type == PT_LOAD && search->address - start < segment.p_memsz) {
      inside = true;
      found.dlfo_map_start = reinterpret_cast<void*>(start);
      found.dlfo_map_end = reinterpret_cast<void*>(start + segment.p_memsz);
    }
  }
  return inside && found.dlfo_eh_frame != nullptr ? 1 : 0;
}

}  // namespace

// How the unwinder of a new compiler finds the tables of a function; new in 2.35. It has no other
// way any more and would end the process at the first exception, so this is the old way: slower,
// which matters to nobody, since we throw nothing and the C++ library only when memory is out.
// NOLINTBEGIN(bugprone-reserved-identifier): named as it is declared
extern "C" [[gnu::visibility("hidden")]] int _dl_find_object(void* __address,
                                                             dl_find_object* __result) noexcept {
  // NOLINTEND(bugprone-reserved-identifier)
  Search search{.address = reinterpret_cast<uintptr_t>(__address), .found = __result};
  return dl_iterate_phdr(FindIn, &search) == 1 ? 0 : -1;
}
#endif
