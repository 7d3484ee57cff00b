// Files of values: what they hold is shown escaped and cut, only regular ones are read, and one that is
// written is safe on the disk before it takes its name.
#include <xgrad/nn/file.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "catch.hpp"
#include "program.hpp"

namespace {
std::vector<std::string> calls;
bool disk_fails = false;
}  // namespace

// The program's own: they tell in which order they are called.
extern "C" int fsync(int descriptor) {
  struct stat status;
  ::fstat(descriptor, &status);
  calls.push_back(S_ISDIR(status.st_mode) ? "fsync folder" : "fsync file");
  if (disk_fails && !S_ISDIR(status.st_mode)) return errno = EIO, -1;
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}
extern "C" int rename(const char* from, const char* to) noexcept {
  calls.push_back("rename");
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using nn::detail::FileName;
using nn::detail::printable;
namespace fs = std::filesystem;

void replace(const fs::path& path, const std::string& text) {
  const std::span<const std::byte> parts[] = {std::as_bytes(std::span(text))};
  nn::detail::replace_file({"test", path}, parts);
}

std::size_t files_in(const TemporaryFolder& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder.path), {}));
}

TEST_CASE("text of a file is shown escaped and cut") {
  CHECK(printable("weight_ih_l0") == "weight_ih_l0");
  CHECK(printable("größe 'x'") == "größe 'x'");
  CHECK(printable("\x1b[31mred\x1b[0m\n") == "\\x1b[31mred\\x1b[0m\\n");
  CHECK(printable(std::string("\0\x7f\xc2\x9b", 4)) == "\\x00\\x7f\\x9b");  // C1's escape, too
  CHECK(printable("\xff\xe2\x80") == "\\xff\\xe2\\x80");
  CHECK(printable("\xe2\x80\xae") == "\\u202e");  // would turn the line around
  CHECK(printable(std::string(200, 'a')) == std::string(200, 'a'));
  CHECK(printable(std::string(1'000'000, 'a')) == std::string(200, 'a') + "… (1000000 bytes)");
  CHECK(printable(std::string(199, 'a') + "é" + std::string(9, 'b')) ==
        std::string(199, 'a') + "… (210 bytes)");
}

TEST_CASE("only regular files are read") {
  const TemporaryFolder folder;
  const auto open = [](const fs::path& path) { const nn::detail::InputFile in({"test", path}); };
  CHECK_THROWS_WITH(open("/dev/zero"),
                    Contains("test: /dev/zero: cannot read the file: it is a device or a pipe"));
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(open(folder / "pipe"), Contains("it is a device or a pipe"));  // and is not waited for
  CHECK_THROWS_WITH(open(folder.path), Contains("cannot read the file: Is a directory"));
  CHECK_THROWS_WITH(open(folder / "none"), Contains("cannot open the file for reading: No such file"));

  write_text(folder / "file", "12345");
  const fs::path path = folder / "file";
  const nn::detail::InputFile in({"test", path});
  CHECK(in.size() == 5);
  std::string text(4, '\0');
  in.read(1, std::as_writable_bytes(std::span(text)));
  CHECK(text == "2345");
  CHECK_THROWS_WITH(in.read(2, std::as_writable_bytes(std::span(text))), Contains("it ends at byte 5"));
}

TEST_CASE("a file is on the disk before it takes its name, and its folder after that") {
  const TemporaryFolder folder;
  calls.clear();
  replace(folder / "file", "new");
  CHECK(calls == std::vector<std::string>{"fsync file", "rename", "fsync folder"});
  CHECK(read_text(folder / "file") == "new");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a file that is replaced keeps its mode, and a new one gets the usual") {
  const TemporaryFolder folder;
  const mode_t mask = ::umask(027);
  replace(folder / "file", "new");
  ::umask(077);
  const auto mode = [&] { return fs::status(folder / "file").permissions(); };
  CHECK(mode() == fs::perms(0640));
  for (const auto kept : {0600, 0666, 0755, 0444}) {
    fs::permissions(folder / "file", fs::perms(kept));
    replace(folder / "file", "again");
    CHECK(mode() == fs::perms(kept));
  }
  ::umask(mask);
  CHECK(read_text(folder / "file") == "again");
}

TEST_CASE("what cannot be written leaves the old file, and nothing beside it") {
  const TemporaryFolder folder;
  write_text(folder / "file", "old");
  disk_fails = true;
  CHECK_THROWS_WITH(replace(folder / "file", "new"), Contains("cannot write the file: Input/output error"));
  disk_fails = false;
  CHECK(read_text(folder / "file") == "old");

  std::signal(SIGXFSZ, SIG_IGN);  // a full disk, as a process can have its own
  rlimit before;
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small{1000, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string message;
  try {
    replace(folder / "file", std::string(5000, 'x'));
  } catch (const FormatError& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  CHECK_THAT(message, Contains("cannot write the file: File too large"));
  CHECK(read_text(folder / "file") == "old");
  CHECK(files_in(folder) == 1);
}

}  // namespace
