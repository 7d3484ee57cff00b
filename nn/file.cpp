// Files of values: text from them in messages, reading them to their size, and replacing them as a whole.
#include <xgrad/nn/file.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace xgrad::nn::detail {

namespace {

using Path = std::filesystem::path;

std::string reason(int error) { return std::generic_category().message(error); }

// The regular file, there already or not, that the name leads to: renaming over a link or a device would
// replace it.
Path replaceable(const FileName& file) {
  Path target = file.path;
  std::error_code error;
  for (int links = 0; std::filesystem::is_symlink(target, error); ++links) {
    if (links == 40) fail(file, "cannot write the file: its symbolic links go in a circle");
    target = target.parent_path() / std::filesystem::read_symlink(target, error);
  }
  if (std::filesystem::exists(target, error) && !std::filesystem::is_regular_file(target, error))
    fail(file, "cannot write the file: {} is a directory or a device; give the name of a file",
         target.string());
  return target;
}

// What is written beside the target; removed unless it has taken the target's place.
class TemporaryFile {
 public:
  TemporaryFile(const FileName& file, const Path& target)
      : file_(file), target_(target), replaces_(::stat(target.c_str(), &replaced_) == 0) {
    static std::atomic<unsigned> count{0};
    do {
      path_ = fmt::format("{}.{}-{}.tmp", target.string(), ::getpid(), ++count);
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                           replaces_ ? replaced_.st_mode & 0777 : 0666);
    } while (descriptor_ < 0 && errno == EEXIST);
    if (descriptor_ < 0) fail(file_, "cannot open {} for writing: {}", path_, reason(errno));
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!renamed_) ::unlink(path_.c_str());
  }

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      check(written >= 0);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }

  // On the disk first: a name that arrives there before its bytes would be half a file.
  void take_place() {
    check(!replaces_ || ::fchmod(descriptor_, replaced_.st_mode & 07777) == 0);
    check(::fsync(descriptor_) == 0);
    check(::close(std::exchange(descriptor_, -1)) == 0);
    check(std::rename(path_.c_str(), target_.c_str()) == 0);
    renamed_ = true;
  }

 private:
  void check(bool done) const {
    if (!done) fail(file_, "cannot write the file: {}", reason(errno));
  }

  const FileName& file_;
  const Path& target_;
  struct ::stat replaced_;
  bool replaces_, renamed_ = false;
  std::string path_;
  int descriptor_ = -1;
};

// Some file systems cannot, and some folders cannot be opened: the file is in its place all the same.
void sync_folder(const FileName& file, const Path& folder) {
  const Descriptor descriptor(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() >= 0 && ::fsync(descriptor.get()) != 0 && errno == EIO)
    fail(file, "the file is written, but its folder is not safe on the disk: {}", reason(EIO));
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t longest = 200;
  std::size_t end = text.size();
  if (end > longest)  // between two characters
    for (end = longest; end > longest - 3 && (text[end] & 0xC0) == 0x80;) --end;
  const std::string quoted = fmt::format("{:?}", text.substr(0, end));
  const std::string escaped = quoted.substr(1, quoted.size() - 2);
  return end == text.size() ? escaped : fmt::format("{}… ({} bytes)", escaped, text.size());
}

Descriptor::~Descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// A pipe without a writer would be waited for, were it not for O_NONBLOCK.
InputFile::InputFile(const FileName& file)
    : file_(file), descriptor_(::open(file.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  struct ::stat status;
  if (descriptor_.get() < 0 || ::fstat(descriptor_.get(), &status) != 0)
    fail(file, "cannot open the file for reading: {}", reason(errno));
  if (S_ISDIR(status.st_mode)) fail(file, "cannot read the file: {}", reason(EISDIR));
  if (!S_ISREG(status.st_mode))
    fail(file, "cannot read the file: it is a device or a pipe; copy what it gives into a file first");
  size_ = static_cast<std::uint64_t>(status.st_size);
}

void InputFile::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(descriptor_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(file_, "cannot read the file: {}", reason(errno));
    if (got == 0) fail(file_, "cannot read the file: it ends at byte {}", offset);
    offset += static_cast<std::uint64_t>(got);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

void replace_file(const FileName& file, std::span<const std::span<const std::byte>> parts) {
  const Path target = replaceable(file), folder = target.parent_path();
  TemporaryFile temporary(file, target);
  for (const std::span<const std::byte> part : parts) temporary.write(part);
  temporary.take_place();
  sync_folder(file, folder);
}

}  // namespace xgrad::nn::detail
