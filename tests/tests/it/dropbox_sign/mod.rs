//! Dropbox Sign: callbacks, whose hash doesn't cover the request, and the files of requests.

mod archive;
mod callbacks;
