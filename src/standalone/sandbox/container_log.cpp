#include "standalone/sandbox/container_log.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstdio>
#include <ctime>

namespace weft::standalone::sandbox {

namespace asio = boost::asio;

namespace {

constexpr size_t kLongestLine = 16 << 10;
/// Read at most this much from one stream before others get their turn.
constexpr int kReadsPerTurn = 8;

std::string now_text() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  ::gmtime_r(&now.tv_sec, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec);
}

Expected<Fd> open_log(const std::string& path) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!fd) return fail_errno("open log " + path, errno);
  return fd;
}

}  // namespace

Expected<LogFile> LogFile::open(std::string path, uint64_t max_bytes) {
  WEFT_TRY(auto fd, open_log(path));
  struct stat st{};
  ::fstat(fd.get(), &st);
  return LogFile(std::move(path), max_bytes, std::move(fd), static_cast<uint64_t>(st.st_size));
}

void LogFile::append(std::string& out, std::string_view now, int stream, char tag, std::string_view text) {
  out += now;
  out += stream == 0 ? " stdout " : " stderr ";
  out += tag;
  out += ' ';
  out += text;
  out += '\n';
}

void LogFile::write(int stream, std::string_view bytes) {
  std::string& pending = pending_[stream];
  std::string out;
  auto now = now_text();
  while (!bytes.empty()) {
    size_t end = bytes.find('\n');
    bool whole = end != std::string_view::npos;
    size_t room = kLongestLine - pending.size();
    size_t take = std::min(whole ? end : bytes.size(), room);
    pending += bytes.substr(0, take);
    bytes.remove_prefix(take);
    if (whole && take == end) {
      bytes.remove_prefix(1);
      append(out, now, stream, 'F', pending);
      pending.clear();
    } else if (pending.size() == kLongestLine) {
      append(out, now, stream, 'P', pending);
      pending.clear();
    }
  }
  flush(out);
}

void LogFile::finish() {
  std::string out;
  for (int stream : {0, 1}) {
    if (!pending_[stream].empty()) append(out, now_text(), stream, 'F', pending_[stream]);
    pending_[stream].clear();
  }
  flush(out);
}

void LogFile::flush(const std::string& out) {
  if (out.empty()) return;
  if (size_ > 0 && size_ + out.size() > max_bytes_) {
    ::rename(path_.c_str(), (path_ + ".1").c_str());
    if (auto fresh = open_log(path_)) {
      fd_ = std::move(*fresh);
      size_ = 0;
    }
  }
  // A full disk loses lines, never the container.
  if (auto n = ::write(fd_.get(), out.data(), out.size()); n > 0) size_ += static_cast<uint64_t>(n);
}

struct LogPump::State : std::enable_shared_from_this<State> {
  State(asio::io_context& io, LogFile f, Fd out, Fd err)
      : file(std::move(f)),
        streams{asio::posix::stream_descriptor(io, out.release()),
                asio::posix::stream_descriptor(io, err.release())} {}

  void wait(int stream) {
    streams[static_cast<size_t>(stream)].async_wait(asio::posix::stream_descriptor::wait_read,
                                                    [self = shared_from_this(), stream](auto error) {
                                                      if (!error && self->read(stream, kReadsPerTurn))
                                                        self->wait(stream);
                                                    });
  }

  /// False at the end of the stream.
  bool read(int stream, int reads) {
    auto& descriptor = streams[static_cast<size_t>(stream)];
    if (!descriptor.is_open()) return false;
    static thread_local std::array<char, 64 << 10> buffer;
    for (int i = 0; i < reads; ++i) {
      auto n = ::read(descriptor.native_handle(), buffer.data(), buffer.size());
      if (n < 0) return errno == EAGAIN || errno == EINTR;
      if (n == 0) return false;
      file.write(stream, {buffer.data(), static_cast<size_t>(n)});
    }
    return true;
  }

  LogFile file;
  std::array<asio::posix::stream_descriptor, 2> streams;
};

LogPump::LogPump(asio::io_context& io, LogFile file, Fd out, Fd err)
    : state_(std::make_shared<State>(io, std::move(file), std::move(out), std::move(err))) {
  state_->wait(0);
  state_->wait(1);
}

LogPump::~LogPump() { drain(); }

void LogPump::drain() {
  constexpr int kPipeFull = 64;
  for (int stream : {0, 1}) {
    state_->read(stream, kPipeFull);
    boost::system::error_code ignored;
    state_->streams[static_cast<size_t>(stream)].close(ignored);
  }
  state_->file.finish();
}

}  // namespace weft::standalone::sandbox
