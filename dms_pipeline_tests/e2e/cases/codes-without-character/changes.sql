INSERT INTO t VALUES (2, _gbk x'41A38041', _big5 x'41C7FE41', _sjis x'4181AD41', _cp932 x'4181AD41', _euckr x'41A2FE41', _ujis x'41A9FE41', _eucjpms x'41A9FE41', _gb2312 x'41A2A141', _hebrew x'41A141', _cp1257 x'41A141', _geostd8 x'41E641', _tis620 x'41DB41', _greek x'41AA41');
INSERT INTO t (k, f, g) VALUES (3, _ujis x'8FA1A1', _eucjpms x'8FA1A1');
