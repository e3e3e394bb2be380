"""What tests of several folders share: made data, fakes and servers."""
