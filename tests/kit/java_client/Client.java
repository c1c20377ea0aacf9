// A Java client that meets a fault: one request, and whatever Java says of it.
// Arguments: host, port, server name, version, roots, chain, key; chain and key are - to present nothing.

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public class Client {
    public static void main(String[] arguments) throws Exception {
        String host = arguments[0], name = arguments[2], version = arguments[3];
        int port = Integer.parseInt(arguments[1]);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys(arguments[5], arguments[6]), trust(arguments[4]), null);
        try (Socket plain = new Socket(host, port);
             SSLSocket tls = (SSLSocket) context.getSocketFactory().createSocket(plain, name, port, true)) {
            SSLParameters parameters = tls.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            parameters.setProtocols(new String[] {"TLSv" + version});
            tls.setSSLParameters(parameters);
            tls.setSoTimeout(20_000);
            String request = "GET / HTTP/1.1\r\nhost: " + name + "\r\nconnection: close\r\n\r\n";
            tls.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            InputStream answer = tls.getInputStream();
            while (answer.read() >= 0) {
                continue;
            }
        } catch (java.io.IOException failed) {
            failed.printStackTrace();
        }
    }

    private static javax.net.ssl.TrustManager[] trust(String file) throws Exception {
        KeyStore store = empty();
        int number = 0;
        for (Certificate root : certificates(file)) {
            store.setCertificateEntry("root" + number++, root);
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory.getTrustManagers();
    }

    private static javax.net.ssl.KeyManager[] keys(String chain, String key) throws Exception {
        KeyStore store = empty();
        if (!chain.equals("-")) {
            String pem = Files.readString(Path.of(key)).replaceAll("-----[A-Z ]+-----|\\s", "");
            PrivateKey own = KeyFactory.getInstance("EC")
                .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
            store.setKeyEntry("own", own, new char[0], certificates(chain).toArray(new Certificate[0]));
        }
        KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, new char[0]);
        return factory.getKeyManagers();
    }

    private static KeyStore empty() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    private static Collection<? extends Certificate> certificates(String file) throws Exception {
        return CertificateFactory.getInstance("X.509")
            .generateCertificates(new ByteArrayInputStream(Files.readAllBytes(Path.of(file))));
    }
}
